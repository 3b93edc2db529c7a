"""What the command line has decided, as plain frozen values. Knows no option's spelling and no defaults' reasons."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Crop = Literal["follow", "full"]
Mode = Literal["auto", "static", "predictive"]


@dataclass(frozen=True)
class Ice:
    """Servers that help two homes to meet; none is needed on one network, and none is built in.

    `stun` and `turn` are URLs (stun:HOST:PORT, turn:HOST:PORT); user and password belong to `turn`.
    """

    stun: str | None = None
    turn: str | None = None
    turn_user: str | None = None
    turn_password: str | None = None


@dataclass(frozen=True)
class Engine:
    """Which profile is run, and on what."""

    profile: str = "laptop-256"
    engine: str = "openvino"


@dataclass(frozen=True)
class Input:
    """What is sent, and how.

    `spec` is a video file, a folder of pictures, an RTSP address or a camera; `crop` is 'full' or 'follow';
    `source` is 'first', 'chosen' or a picture's file; `repeat_s` plays the input over and over for so long;
    `fast` sends every frame of a clip, in order and as fast as it goes, instead of in real time;
    `keypoints` sends the first so many of the profile's; `rounding` rounds motion to visible steps;
    `mode` is how motion is coded, 'auto' being as both ends can and the line has it; `bundle` motions share a
    predictive packet, None being as the line has it; `limit_bps` holds for all that is sent, at the IP layer.
    """

    spec: str
    crop: Crop = "follow"
    source: str = "chosen"
    repeat_s: float | None = None
    fast: bool = False
    keypoints: int | None = None
    rounding: bool = True
    mode: Mode = "auto"
    bundle: int | None = None
    limit_bps: float | None = None


@dataclass(frozen=True)
class View:
    """How the other's head is seen: turned by `yaw` and `pitch` degrees, level where `frontal`; `relative` moves the
    source picture's own head by what the other's has moved since the start."""

    yaw: float = 0.0
    pitch: float = 0.0
    frontal: bool = False
    relative: bool = False


@dataclass(frozen=True)
class Line:
    """What a bad line does to each direction's datagrams (`transport.impairment` says it in full).

    `loss` is a share, `burst` the mean length of a run of losses in packets, `delay_s` one way, `jitter_s` at most
    so much more, `rate_bps` at the IP layer, `outage_s` from when to when nothing passes, in seconds since the peers
    began to meet.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate_bps: float | None = None
    outage_s: tuple[float, float] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Loopback:
    """A call with itself. `output` is a file, a folder ending in '/', or 'none', and replaces what is there with
    `overwrite` alone; `quality` compares pictures; without a `line` the peers' datagrams go straight to each other.
    Pictures are compared only where the head is seen as it is."""

    input: Input
    engine: Engine
    output: str = "none"
    overwrite: bool = False
    quality: bool = True
    line: Line | None = None
    view: View = View()
    remember: bool = False


@dataclass(frozen=True)
class Send:
    """One direction, this end sending. `connect` and `code` are what the receiver printed; `remember` begins with the
    last call's source picture where that still fits."""

    input: Input
    engine: Engine
    ice: Ice
    connect: str
    code: str
    remember: bool = False


@dataclass(frozen=True)
class Receive:
    """One direction, this end receiving. `listen` is HOST:PORT; a code is made, and a file named, where none is
    given; `overwrite` replaces one that is there already."""

    engine: Engine
    ice: Ice
    listen: str
    code: str | None
    output: str | None
    wait_s: float | None
    overwrite: bool = False
    view: View = View()
    remember: bool = False


@dataclass(frozen=True)
class Serve:
    """The signalling server: where it listens, and with what certificate; `key` may stand in `cert`'s file.

    `behind_proxy` believes a proxy of one's own about whom it passes on.
    """

    host: str
    port: int
    cert: Path | None
    key: Path | None
    behind_proxy: bool


@dataclass(frozen=True)
class Demo:
    """A call with itself for a first look; `video` None takes a camera or else the portrait. `overwrite` replaces what
    an earlier one has left in `folder`."""

    engine: Engine
    video: str | None
    folder: Path
    seconds: float
    overwrite: bool = False


@dataclass(frozen=True)
class Invited:
    """A call to a side that listens: where (HOST:PORT) and with what code it lets one caller in."""

    address: str
    code: str


@dataclass(frozen=True)
class Listening:
    """A call that the other side comes to, at HOST:PORT; a code is made where none is given."""

    at: str
    code: str | None = None


@dataclass(frozen=True)
class Room:
    """A call in a room of a server (ws:// or wss://); without a code this side opens it."""

    server: str
    name: str
    code: str | None = None


@dataclass(frozen=True)
class Call:
    """A call of two directions.

    `way` is how the sides meet. `headless` holds it without a page; then `audio` is a file to be heard (None: silence),
    `output` takes the other's face and replaces what is there with `overwrite` alone, `seconds` ends the call so long
    after it began. `yes` agrees beforehand to what a person is asked otherwise, but for a foreign picture, which
    `takes_foreign` does. `browser` opens the page. `remember` keeps the other's source pictures for the next call.
    `name` is shown to the other side; `thrifty` keeps both directions under 30 kbit/s.
    """

    input: Input
    engine: Engine
    ice: Ice
    way: Invited | Listening | Room
    headless: bool = False
    audio: str | None = None
    output: str = "none"
    overwrite: bool = False
    seconds: float | None = None
    yes: bool = False
    takes_foreign: bool = False
    browser: bool = True
    remember: bool = False
    name: str = ""
    thrifty: bool = False

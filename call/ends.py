"""What both ends of a call are made of: the profile, its graphs on an engine, and the motion format.

Loading takes a moment the first time (an engine compiles the graphs into the user's cache), so it is done once,
before the event loop starts, and shared by two ends in one process.
"""

import ctypes.util
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from call import console
from call.errors import CallError
from call.options import Engine, Ice, Input

if TYPE_CHECKING:
    from codec.format import MotionFormat
    from codec.hello import Hello
    from runtime.profile import Profile
    from runtime.talker import Talker
    from sender.capture import Input as OpenInput
    from sender.sender import OnFrame, Sender
    from transport.description import IceServer


@dataclass(frozen=True)
class Ends:
    """A profile ready to run: what a sender and a receiver are given."""

    profile: "Profile"
    talker: "Talker"
    motion_format: "MotionFormat"


def load_talker(profile: str, engine: str) -> "tuple[Talker, Profile]":
    """Load a profile's graphs.

    Raises runtime's ProfileError or EngineError, or CallError where torch is wanted and not installed.
    """
    from runtime.engine import load
    from runtime.profile import load_profile
    from runtime.talker import Talker

    loaded = load_profile(profile)
    if engine.startswith("torch"):
        _register_torch(engine)
    elif engine == "auto" and _might_have_torch_cuda(loaded):
        _register_torch("torch-cuda")
    with console.waiting(f"Loading {loaded.name} on {engine}"):
        graphs = load(loaded, engine=engine)
    return Talker(graphs, picture_size=loaded.picture_size), loaded


def _register_torch(engine: str) -> None:
    """Let models/ add its engines; a call loads them only when they are asked for by name, or `auto` may take one."""
    try:
        importlib.import_module("models.cuda")
    except ModuleNotFoundError as error:
        raise CallError(
            f"The engine {engine} needs {error.name}, which is not installed: make install EXTRAS=train."
        ) from error


def _might_have_torch_cuda(profile: "Profile") -> bool:
    """Say whether `auto` needs torch's engine for CUDA: to be measured, or because it was the fastest."""
    from runtime.auto import recall

    choice = recall(profile)
    if choice is not None and choice.engine != "torch-cuda":
        return False
    return ctypes.util.find_library("cuda") is not None and importlib.util.find_spec("torch") is not None


def load_ends(wanted: Engine) -> Ends:
    """Load everything that an end needs; raises ProfileError, EngineError or BitstreamError with a sentence."""
    from codec.format import MotionFormat

    talker, profile = load_talker(wanted.profile, wanted.engine)
    return Ends(profile, talker, MotionFormat.load(profile.format_path))


def make_sender(
    ends: Ends, opened: "OpenInput", wanted: Input, *, hello: "Hello", on_frame: "OnFrame | None" = None
) -> "Sender":
    """Build the sending side: what is read from `opened`, sent as `wanted` says.

    Raises CallError where more keypoints are wanted than the profile has.
    """
    from sender.sender import Sender, SenderSettings

    if (wanted.keypoints or 0) > ends.profile.keypoints:
        raise CallError(
            f"--keypoints {wanted.keypoints} is too many: the profile {ends.profile.name} has "
            f"{ends.profile.keypoints}."
        )
    source: Literal["first", "chosen"] | Path
    match wanted.source:
        case "first" | "chosen" as named:
            source = named
        case file:
            source = Path(file)
    settings = SenderSettings(
        crop=wanted.crop,
        source=source,
        rounding=wanted.rounding,
        keypoints=wanted.keypoints,
        mode=wanted.mode,
        bundle=wanted.bundle,
    )
    return Sender(
        ends.talker,
        opened,
        motion_format=ends.motion_format,
        hello=hello,
        settings=settings,
        on_notice=console.say,
        **({} if on_frame is None else {"on_frame": on_frame}),
    )


def ice_servers(ice: Ice) -> "list[IceServer]":
    """Turn the options into what a peer takes; empty where none were given."""
    from transport.description import IceServer

    servers = [IceServer(ice.stun)] if ice.stun else []
    if ice.turn:
        servers.append(IceServer(ice.turn, ice.turn_user, ice.turn_password))
    return servers

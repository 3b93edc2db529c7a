"""What both ends of a call are made of: the profile, its graphs on an engine, and the motion format.

Loading takes a moment the first time (an engine compiles the graphs into the user's cache), so it is done once,
before the event loop starts, and shared by two ends in one process.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from call import console
from call.errors import CallError, explain
from call.options import Engine, Ice, Input
from runtime.installed import how_to_add, how_to_mend

if TYPE_CHECKING:
    from codec.format import MotionFormat
    from codec.hello import Hello
    from codec.residual import ResidualFormat
    from receiver.remembered import Remembered
    from runtime.profile import Profile
    from runtime.repairer import Repairer
    from runtime.talker import Talker
    from sender.capture import Input as OpenInput
    from sender.frames import OnFrame
    from sender.mirror import Mirror
    from sender.sender import Sender
    from transport.description import IceServer


class ResidualCodes(NamedTuple):
    """What makes and reads residual codes, and the chances by which they are coded."""

    repairer: "Repairer"
    chances: "ResidualFormat"


@dataclass(frozen=True)
class Ends:
    """A profile ready to run: what a sender and a receiver are given."""

    profile: "Profile"
    talker: "Talker"
    motion_format: "MotionFormat"
    residual: "ResidualCodes | None" = None  # where the profile has them


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
        with suppress(CallError):  # torch without the rest of the extra is no engine: there are others
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
            f"The engine {engine} needs {error.name}, which is not installed: {how_to_add('train')}."
        ) from error


def _might_have_torch_cuda(profile: "Profile") -> bool:
    """Say whether `auto` needs torch's engine for CUDA: to be measured, or because it was the fastest."""
    from runtime.auto import recall
    from runtime.cuda_cards import list_cards

    choice = recall(profile)
    if choice is not None and choice.engine != "torch-cuda":
        return False
    return bool(list_cards()) and importlib.util.find_spec("torch") is not None


def load_ends(wanted: Engine) -> Ends:
    """Load everything that an end needs; raises ProfileError, EngineError or CallError with a sentence."""
    talker, profile = load_talker(wanted.profile, wanted.engine)
    return Ends(profile, talker, load_format(profile), load_residual(profile))


def naming(profile: str) -> str:
    """Return what the other side adds to its command, so that both ends have this profile: nothing where it is the one
    that is taken unasked."""
    return "" if profile == Engine.profile else f" --profile {profile}"


def load_format(profile: "Profile") -> "MotionFormat":
    """Load how a profile's motion is coded; raises CallError where that is damaged."""
    from codec.format import MotionFormat

    with _mended(profile.format_path):
        return MotionFormat.load(profile.format_path)


def load_residual(profile: "Profile") -> ResidualCodes | None:
    """Load a profile's residual codes, if it has any; raises EngineError or CallError with a sentence."""
    from codec.residual import ResidualFormat
    from runtime.repairer import load_repairer

    if not profile.residual:
        return None
    with _mended(profile.residual_path):
        chances = ResidualFormat.load(profile.residual_path)
    return ResidualCodes(load_repairer(profile), chances)


@contextmanager
def _mended(file: Path) -> Iterator[None]:
    """Say of a damaged file how it is mended."""
    from codec.errors import BitstreamError

    try:
        yield
    except (BitstreamError, OSError) as error:
        raise CallError(f"{explain(error).rstrip('.')}. {how_to_mend(file)}") from error


def make_sender(
    ends: Ends,
    opened: "OpenInput",
    wanted: Input,
    *,
    hello: "Hello",
    on_frame: "OnFrame | None" = None,
    on_notice: Callable[[str], None] = console.say,
    remember: bool = False,
) -> "Sender":
    """Build the sending side: what is read from `opened`, sent as `wanted` says; with `remember` it begins with
    the last call's source picture where that still fits.

    Raises CallError where more keypoints are wanted than the profile has, and for a limit on what has no time.
    """
    from sender.own_picture import OwnPicture
    from sender.sender import Sender
    from sender.settings import SenderSettings

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
    if wanted.fast and wanted.limit_bps is not None:
        raise CallError("--limit is for calls in real time: leave out --limit or --fast.")
    settings = SenderSettings(
        crop=wanted.crop,
        source=source,
        rounding=wanted.rounding,
        keypoints=wanted.keypoints,
        mode=wanted.mode,
        bundle=wanted.bundle,
        limit_bps=wanted.limit_bps,
    )
    return Sender(
        ends.talker,
        opened,
        motion_format=ends.motion_format,
        hello=hello,
        settings=settings,
        on_notice=on_notice,
        # Another day's or another person's picture is nothing like what the camera sees, and is meant to be.
        mirror=None if isinstance(source, Path) else _mirror(ends, on_notice),
        own=OwnPicture(pictures_folder() / "own.picture") if remember else None,
        **({} if on_frame is None else {"on_frame": on_frame}),
    )


def _mirror(ends: Ends, on_notice: Callable[[str], None]) -> "Mirror":
    from sender.mirror import Mirror
    from sender.residual import ResidualCorrector

    corrector = None
    if ends.residual is not None:
        repairer, chances = ends.residual
        corrector = ResidualCorrector(ends.talker, repairer, ends.motion_format, chances)
    return Mirror(ends.talker, on_notice=on_notice, corrector=corrector)


def remembered(consent: bool) -> "Remembered | None":
    """Return where a receiver keeps source pictures from call to call; None without the user's consent."""
    from receiver.remembered import Remembered

    return Remembered(pictures_folder() / "received") if consent else None


def pictures_folder() -> Path:
    """Return where source pictures are kept from call to call."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("visavis")) / "pictures"


def ice_servers(ice: Ice) -> "list[IceServer]":
    """Turn the options into what a peer takes, empty where none were given; raises TransportError for a wrong URL."""
    from transport.description import IceServer

    servers = [IceServer(ice.stun)] if ice.stun else []
    if ice.turn:
        servers.append(IceServer(ice.turn, ice.turn_user, ice.turn_password))
    return servers

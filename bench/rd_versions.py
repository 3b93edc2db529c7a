"""What a measurement of the rate-distortion bench was made with, besides the clip: our code, weights and libraries, as
hashes, so that a kept point is never taken for what another version would measure. It knows files; it measures
nothing."""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from bench.codecs import CODECS
from bench.rd_store import file_hash

ROOT = Path(__file__).parents[1]
# Modules from which on everything that they import counts.
JUDGES = "bench.judge"
RIVALS = "bench.codecs"
OURS = "bench.rd_ours"
JUDGES_LIBRARIES = ("numpy", "torch", "onnxruntime", "opencv-python-headless")
OURS_LIBRARIES = ("av", "numpy", "openvino", "opencv-python-headless")


@dataclass(frozen=True)
class Versions:
    """Hashes: of what judges, of the conventional codecs, and of what draws ours."""

    judges: str
    rivals: str
    ours: str


@functools.cache
def versions_of(profile: str, engine: str, backbones: Path) -> Versions:
    """Return what a measurement would be made with on this machine; read once a process, as what is loaded stays."""
    weights = [file_hash(path) for path in sorted(backbones.rglob("*")) if path.is_file()]
    wrappers = [f"{name} {numbers}" for name, numbers in sorted(av.library_versions.items())]
    return Versions(
        judges=_hash(code_hash(JUDGES), *weights, *_libraries(JUDGES_LIBRARIES)),
        rivals=_hash(code_hash(RIVALS), *wrappers),
        ours=_hash(code_hash(OURS), profile_hash(profile, engine), *_libraries(OURS_LIBRARIES)),
    )


def made_with(versions: Mapping[str, Versions]) -> dict[str, Any]:
    """Return what the result says of itself: the machine, the libraries, the codecs' settings, and the hashes of what
    each profile's figures were measured with."""
    names = sorted({"visavis", "av", *JUDGES_LIBRARIES, *OURS_LIBRARIES})
    return {
        "machine": platform.platform(),
        "processor": _processor(),
        "python": platform.python_version(),
        "libraries": dict(line.rsplit(" ", 1) for line in _libraries(tuple(names))),
        "ffmpeg": {
            name: ".".join(map(str, numbers)) for name, numbers in sorted(av.library_versions.items())
        },
        "codecs": {name: {"encoder": codec.encoder, **codec.options} for name, codec in CODECS.items()},
        "profiles": {profile: asdict(each) for profile, each in versions.items()},
    }


def code_hash(module: str, *, root: Path = ROOT) -> str:
    """Return a hash of a module's code and of all of ours that it imports, without comments and docstrings."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _path_of(name, root)
        if name not in found and path is not None:
            found[name], imported = _read(path)
            waiting += imported
    return _hash(*(f"{name}\n{code}" for name, code in sorted(found.items())))


def profile_hash(profile: str, engine: str) -> str:
    """Return a hash of everything that draws: the graphs in every form, the tables, the engine."""
    from runtime.profile import load_profile, outline_profile

    found = load_profile(profile)
    outline = outline_profile(found.folder)
    forms = sorted([*outline.int8_hashes.values(), *outline.half_hashes.values()])
    return _hash(found.graphs_hash.hex(), *forms, file_hash(found.format_path), engine)


@functools.cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return a module's bare code, and what it imports."""
    tree = ast.parse(path.read_bytes())
    imported = tuple(_imports(tree))
    return ast.unparse(_without_docstrings(tree)), imported


def _processor() -> str:
    """Return the processor's name, which only Linux keeps in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _libraries(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} none"


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports, wherever in it; a name imported from a package may be a module itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _path_of(module: str, root: Path) -> Path | None:
    """Return the file of a module of ours, None for others'."""
    place = root.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

"""Who may know whom: the import contracts of pyproject.toml, and what a call's interpreter has loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CALL_PATH = ("codec", "runtime", "transport", "sender", "receiver", "call")

# What each folder may import directly from outside, the standard library apart (ARCHITECTURE.md's table).
OUTSIDE = {
    "codec": {"numpy", "constriction", "av"},
    "transport": {"aiortc", "aiohttp", "aioice", "pylibsrtp", "av", "numpy"},  # the latter two for sound
    "sender": {"numpy", "cv2", "av"},
    "receiver": {"numpy", "cv2", "av", "pyvirtualcam"},  # the last one where it is installed
}

NO_TORCH_IN_A_CALL = """
import sys
from call.cli import app
try:
    app(["loopback", sys.argv[1], "--crop", "full", "--no-quality", "--json"], prog_name="visavis")
except SystemExit as end:
    assert not end.code, end.code
loaded = {name.partition(".")[0] for name in sys.modules}
assert "openvino" in loaded, "no call was held"
assert not loaded & {"torch", "models", "bench", "lightning"}, loaded
"""


def test_the_folders_import_only_what_the_house_allows() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_folders_use_only_the_libraries_that_they_declare() -> None:
    import grimp

    graph = grimp.build_graph(*CALL_PATH, "models", "bench", include_external_packages=True, cache_dir=None)
    ours = {*CALL_PATH, "models", "bench"}
    for folder, allowed in OUTSIDE.items():
        used = {
            imported.partition(".")[0]
            for module in graph.find_descendants(folder) | {folder}
            if not module.endswith(".__main__")  # a command line has its own tools
            for imported in graph.find_modules_directly_imported_by(module)
        }
        strangers = used - ours - set(sys.stdlib_module_names) - allowed
        assert not strangers, f"{folder} imports {sorted(strangers)}"


@pytest.mark.parametrize("folder", CALL_PATH)
def test_no_module_of_the_call_path_loads_torch(folder: str) -> None:
    script = (
        "import importlib, pkgutil, sys\n"
        f"import {folder}\n"
        f"for module in pkgutil.walk_packages({folder}.__path__, '{folder}.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)


def test_no_torch_is_loaded_by_a_loopback_call(face_clip: Path, profile_folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", NO_TORCH_IN_A_CALL, str(face_clip)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr

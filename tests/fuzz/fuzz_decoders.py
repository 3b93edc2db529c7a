"""A target for atheris, which looks for new paths through a decoder instead of drawing blindly as `visavis bench fuzz`
does: `pip install atheris` (which has no Windows build), then from the repository's root

    python -m tests.fuzz.fuzz_decoders motion out/fuzz/motion -max_total_time=60

The first word is a kind of `bench.fuzz_kinds`, the second a folder that keeps what was found; what follows is
libFuzzer's. It ends with the packet in a file where a decoder raises anything but its own error.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["codec", "transport"]):
    from bench.fuzz_kinds import make_kinds
    from codec.format import MotionFormat
    from runtime.profile import load_profile


def main() -> None:
    """Fuzz the decoder that was named."""
    kinds = {
        kind.name: kind for kind in make_kinds(MotionFormat.load(load_profile("laptop-256").format_path))
    }
    if len(sys.argv) < 3 or sys.argv[1] not in kinds:
        sys.exit(f"usage: fuzz_decoders.py {'|'.join(kinds)} FOLDER [libFuzzer's options]")
    kind, folder = kinds[sys.argv[1]], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(kind.seeds):
        (folder / f"seed-{number}").write_bytes(seed)

    def decode(data: bytes) -> None:
        try:
            kind.decode(data)
        except kind.refuses:
            return

    atheris.Setup([sys.argv[0], f"-max_len={kind.longest}", *sys.argv[3:], str(folder)], decode)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

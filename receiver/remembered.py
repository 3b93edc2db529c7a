"""Source pictures of earlier calls, kept on disk by their hash where the person who watches agrees, so that a second
call with somebody starts with nothing to send. A cache: whatever goes wrong with it, the picture is simply sent again.
It knows neither whose the pictures are nor what is done with them."""

import contextlib
import hashlib
import tempfile
from pathlib import Path

from codec.picture import MAX_PICTURE_BYTES

# A few for each of a dozen people: some 200 kB.
MOST_PICTURES = 64
SUFFIX = ".picture"


class Remembered:
    """The pictures in one folder; each method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, digest: bytes) -> bytes | None:
        """Return the code of the picture with this SHA-256, if it is there and whole."""
        path = self._path(digest)
        with contextlib.suppress(OSError):
            if path.stat().st_size <= MAX_PICTURE_BYTES:
                data = path.read_bytes()
                if hashlib.sha256(data).digest() == digest:
                    path.touch()  # the longest unused is forgotten first
                    return data
        return None

    def keep(self, data: bytes) -> None:
        """Keep a picture's code; faces are nobody else's business, so only the user can read it."""
        path = self._path(hashlib.sha256(data).digest())
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # In a folder of its own: another call may keep the same picture now, and a full disk keeps no part of one.
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                whole = Path(folder) / path.name
                whole.touch(mode=0o600)
                whole.write_bytes(data)
                whole.replace(path)
            kept = sorted(self._folder.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
            for each in kept[:-MOST_PICTURES]:
                each.unlink()

    def _path(self, digest: bytes) -> Path:
        return self._folder / f"{digest.hex()}{SUFFIX}"

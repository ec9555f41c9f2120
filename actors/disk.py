"""The disk under the spool after it has failed: what may be in memory only is written once more before it is read.

A failed fdatasync may leave pages in the page cache marked as written that never were (fsync(2); ext4 and XFS do).
Read back they look whole, a second fdatasync succeeds, and a power cut takes them: what was never on the disk would be
found at opening and acknowledged. Written again, unchanged, they are dirty again, and the next sync is an honest one.
"""

import os
from collections.abc import Collection

from transports.errors import SpoolError
from transports.spool import Files, OsFiles
from transports.spool.segment import parse_name

_PAGE = 4096  # what cannot be read costs no more than this


def write_again(folders: Collection[str], files: Files | None = None) -> None:
    """Of each topic's folder the newest segment, the only one with an unsynced end. Raises SpoolError when the disk
    refuses."""
    files = files or OsFiles()
    for folder in folders:
        try:
            newest = _newest(files, folder)
            if newest:
                _write_again(files, os.path.join(folder, newest))
        except FileNotFoundError:
            continue  # nothing of it was ever there, or it was taken away
        except OSError as error:
            raise SpoolError(f"write again {folder}: {error.strerror or error}") from error


def _newest(files: Files, folder: str) -> str | None:
    found = [(parsed[:2], name) for name in files.listdir(folder) if (parsed := parse_name(name))]
    return max(found)[1] if found else None


def _write_again(files: Files, path: str) -> None:
    file = files.open(path)
    try:
        for offset in range(0, files.size(path), _PAGE):
            try:
                block = file.pread(_PAGE, offset)
            except OSError:
                continue  # unreadable on the disk itself: opening the spool will find out what is lost
            file.pwrite(block, offset)
        file.fdatasync()
    finally:
        file.close()

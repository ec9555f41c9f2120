"""The bdSeq that a CONNECT gets, kept on disk: it is counted over all lives of the process.

    STATE_DIR/bdseq      the number that the next CONNECT gets: decimal digits and a newline

So the death that a server publishes for an earlier life never looks like that of the present one. The file is replaced
whole and synced before the CONNECT is made; a crash in between leaves out a number, and none is used twice.
"""

from pathlib import Path

from transports.durable import replace_file

NAME = "bdseq"
NUMBERS = 256  # 0 to 255, as sequence numbers are


class Numbers:
    """Of one uplink. `folder` is made when it is needed; None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def first(self) -> tuple[int, str]:
        """The number to begin with; and what an operator should know of it, "" if nothing."""
        if self._folder is None:
            return 0, ""
        try:
            return _number((self._folder / NAME).read_bytes()), ""
        except FileNotFoundError:
            return 0, ""
        except (OSError, ValueError) as damaged:
            return 0, f"{self._folder / NAME} cannot be read ({damaged}): bdSeq begins at 0 again"

    def keep(self, following: int) -> None:
        """The next CONNECT gets this number. Raises OSError when the disk refuses."""
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._folder / NAME, b"%d\n" % (following % NUMBERS))


def _number(text: bytes) -> int:
    number = int(text) if text.strip().isdigit() else -1
    if not 0 <= number < NUMBERS:
        raise ValueError(f"{text[:20]!r} is no number of 0 to {NUMBERS - 1}")
    return number

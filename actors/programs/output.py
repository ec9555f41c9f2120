"""What a program prints, as lines for a log: pure. Bounded by line and by second, harmless to a terminal.

bytes ──Lines──> text, one line each ──Flow──> as much of it as the log takes; the rest is counted
"""

from collections.abc import Iterator

LINE_BYTES = 4096  # of a line; what is longer is cut
BYTES_A_SECOND = 64 * 1024  # into the log; the root looks at its size every 30 s
BURST_BYTES = 256 * 1024  # a start-up that prints a lot
LINE_COST_BYTES = 64  # what the log writes beside the text


class Lines:
    """Cuts a stream of bytes into lines; the last one waits for its end."""

    def __init__(self, max_bytes: int = LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()  # of the line that has no end yet, never more than `max_bytes`
        self._cut_bytes = 0  # what did not fit

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that are whole now, without those that are empty."""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            self._append(line)
            yield from self.end()
        self._append(rest)

    def skip(self, chunk: bytes) -> tuple[int, str]:
        """How many lines end here, and the last of them: for more than anybody will read, at a fraction of the cost."""
        whole, newline, rest = chunk.rpartition(b"\n")
        last = ""
        if newline:
            if b"\n" in whole:
                self._rest.clear()
            self._append(whole[whole.rfind(b"\n") + 1 :])
            last = "".join(self.end())
        self._append(rest)
        return chunk.count(b"\n"), last

    def end(self) -> Iterator[str]:
        """The line that was not ended, if there is one."""
        line, cut_bytes = readable(bytes(self._rest)), self._cut_bytes
        self._rest.clear()
        self._cut_bytes = 0
        if line or cut_bytes:
            yield f"{line} [and {cut_bytes} bytes]" if cut_bytes else line

    def _append(self, part: bytes) -> None:
        room = self._max_bytes - len(self._rest)
        self._rest += part[:room]
        self._cut_bytes += max(0, len(part) - room)


def readable(line: bytes) -> str:
    """Its text; bytes that are none, and characters that would steer a terminal, as escapes."""
    text = line.rstrip(b"\r \t").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode("ascii") for c in text)


class Flow:
    """Lets through what the log can take: a bucket of bytes that fills with time.

    When it is empty nothing more gets through until `told`, so that the log has one hole and not many. `left_out`
    counts all that was lost in holes.
    """

    def __init__(self, now: float, bytes_a_second: float = BYTES_A_SECOND, burst_bytes: float = BURST_BYTES) -> None:
        self._rate, self._burst, self._room, self._at = bytes_a_second, burst_bytes, burst_bytes, now
        self.untold = 0
        self.left_out = 0

    def admits(self, line: str, now: float) -> bool:
        """Whether this line is for the log."""
        self._room = min(self._burst, self._room + (now - self._at) * self._rate)
        self._at = now
        cost = len(line.encode()) + LINE_COST_BYTES
        if self.untold or self._room < cost:
            self.leave_out(1)
            return False
        self._room -= cost
        return True

    def leave_out(self, count: int) -> None:
        """These many lines come on top of a hole."""
        self.untold += count
        self.left_out += count

    def told(self) -> int:
        """The hole of this many lines is closed."""
        count, self.untold = self.untold, 0
        return count

"""How values, times and spans are written for a person at a terminal: pure text.

What a device says is a stranger's text: nothing of it may move the cursor or colour the screen, so every character that
is not printable is escaped or left out.
"""

from datetime import datetime
from typing import Any

from transports.samples import Quality, Tag, Value, is_bad

SHOWN_ITEMS = 8  # of a waveform
SHOWN_BYTES = 32
_PLAIN_BELOW = 1e8  # larger floats are written in full, or a counter would stand still in its last digits
_UNCERTAIN = 0x4000_0000  # the lowest status code that is no longer Good
_BYTE_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_SIZES = ((2**50, "P"), (2**40, "T"), (2**30, "G"), (2**20, "M"), (2**10, "K"))
_COUNTS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def plain(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def shortened(text: str, letters: int) -> str:
    """At most that many letters; dots stand for what is left out."""
    return text if len(text) <= letters else f"{text[: letters - 3].rstrip()}..."


def span(seconds: float) -> str:
    """A length of time in at most six letters: 4.2s, 42s, 3m05s, 2h07m, 12d03h, 400d."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    days, hours = whole // 86_400, whole % 86_400 // 3600
    return f"{days}d{hours:02}h" if days < 100 else f"{days}d"


def amount(size_bytes: int) -> str:
    """An amount of bytes: 512 B, 8.0 KiB, 1.2 GiB."""
    for factor, unit in _BYTE_UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def size(size_bytes: int) -> str:
    """An amount of bytes in at most five letters, for a column: 512, 9.8K, 45M, 1.2G (powers of 1024)."""
    return _scaled(size_bytes, _SIZES) if size_bytes >= 1024 else str(size_bytes)


def count(number: float) -> str:
    """How many, in at most six letters, for a column: 0, 0.4, 12.5, 99,999, 123k, 1.2M (powers of 1000)."""
    if number >= 99_999.5:
        return _scaled(number, _COUNTS)
    return f"{number:,.1f}" if number < 99.95 and number != int(number) else f"{number:,.0f}"


def share(of_one: float) -> str:
    """A share of a core: 0.4%, 38%, 120%."""
    return f"{of_one:.1%}" if of_one < 0.0995 else f"{of_one:.0%}"


def _scaled(number: float, units: tuple[tuple[int, str], ...]) -> str:
    for factor, unit in units:
        scaled = number / factor
        if scaled >= 0.9995:  # 1023.6K is 1.0M
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return str(number)


def local_time(time_ns: int) -> str:
    """A source timestamp (ns UTC) in this machine's time zone, ISO 8601 with milliseconds, cut and not rounded."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    local = datetime.fromtimestamp(seconds).astimezone().replace(microsecond=rest_ns // 1000)
    return local.isoformat(timespec="milliseconds")


def value_text(value: Value | None) -> str:
    """A value on one line; "?" where there is none. Exact for integers; long ones are cut."""
    match value:
        case None:
            return "?"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.8g}" if abs(value) < _PLAIN_BELOW else repr(value)
        case str():
            return repr(value)
        case bytes():
            return f"0x{value[:SHOWN_BYTES].hex()}" + (f"... ({len(value)} bytes)" if len(value) > SHOWN_BYTES else "")
        case tuple():
            items = ", ".join(map(value_text, value[:SHOWN_ITEMS]))
            return f"[{items}, ... ({len(value)})]" if len(value) > SHOWN_ITEMS else f"[{items}]"
    return str(value)


def quality_text(code: int) -> str:
    """An OPC UA status code by name (BadTimeout), one the house does not know by severity and number; "" for Good."""
    try:
        name = Quality(code).name
    except ValueError:
        severity = "Bad" if is_bad(code) else "Uncertain" if code >= _UNCERTAIN else ""
        return f"{severity} 0x{code:08x}" if severity else ""
    return "" if code == Quality.GOOD else name.title().replace("_", "")


def reading(tag: Tag, value: Value | None, quality: int) -> dict[str, Any]:
    """One reading as the JSON payload has it (transports/payloads/json.py), for orjson with `as_text`.

    JSON has no NaN and no infinity: orjson writes null, and a quality that was Good says here that this is no value.
    """
    parts = value if isinstance(value, tuple) else (value,)
    odd = any(isinstance(part, float) and part - part != 0.0 for part in parts)
    told = Quality.UNCERTAIN_SUB_NORMAL if odd and quality < _UNCERTAIN else quality
    unit = {"unit": tag.unit} if tag.unit else {}
    return {"tag": tag.name, "value": value, "quality": int(told), **unit}

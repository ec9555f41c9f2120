"""What a command must be before anything is done with it: each field of its kind and of a bearable size. Pure.

Commands come over a socket, and MessagePack carries anything: a key that is a number, a time that is NaN, a table for a
value. What is not of this form is refused without being written, logged or audited any further.
"""

from typing import Any

from transports.messages import Command

KEY_MOST = 200  # characters
TEXT_MOST = 1_000  # characters of a tag, a name, a reason
VALUE_MOST = 4_096  # characters, bytes or items: no setting of a machine is a file
_FAR_S = 1e11  # monotonic seconds; NaN and the infinite are not between these either
_WHOLE = range(-(2**63), 2**64)  # what MessagePack, and any tag, can hold


def malformed(command: Command) -> str:
    """What is wrong with its form, "" when nothing is."""
    given: Any = command  # whatever the annotations say
    if not given.key or not _is_text(given.key, KEY_MOST):
        return f"key: must be a text of 1 to {KEY_MOST} characters"
    for field in ("tag", "origin", "who", "why"):
        if not _is_text(getattr(given, field), TEXT_MOST):
            return f"{field}: must be a text of at most {TEXT_MOST} characters"
    if not _is_number(given.until_s) or not -_FAR_S < given.until_s < _FAR_S:
        return "until_s: must be a time, in seconds of the monotonic clock"
    if not isinstance(given.lasting, bool) or not isinstance(given.read_back, (bool, type(None))):
        return "lasting and read_back: must be true or false"
    return _wrong_value(given.value)


def can_be_answered(command: Command) -> bool:
    """Whether its key, usable or not, is one that an outcome can name."""
    key: Any = command.key
    return isinstance(key, str) and _is_text(key, len(key))


def _wrong_value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return _wrong_items(value)
    if isinstance(value, (str, bytes)):
        fits = len(value) <= VALUE_MOST and (isinstance(value, bytes) or _is_text(value, VALUE_MOST))
        return "" if fits else f"value: must be UTF-8, and not longer than {VALUE_MOST}"
    if not isinstance(value, (bool, int, float)):
        return "value: must be true, false, a number, a text or a list of numbers"
    return "" if _is_number(value) or isinstance(value, bool) else "value: a whole number has at most 64 bits"


def _wrong_items(items: list[Any] | tuple[Any, ...]) -> str:
    if len(items) > VALUE_MOST:
        return f"value: a list has at most {VALUE_MOST} items"
    return "" if all(map(_is_number, items)) else "value: a list has numbers only, of at most 64 bits"


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and value in _WHOLE)


def _is_text(value: Any, most: int) -> bool:
    if not isinstance(value, str) or len(value) > most:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character: bytes that were no UTF-8
        return False
    return True

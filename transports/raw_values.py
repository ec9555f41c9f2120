"""Raw values: what stands in a field of a frame, read as a value of a tag's type. ValueError for what is none."""

from collections.abc import Callable, Mapping

from transports.samples import DataType, Value

Raw = str | bytes | bool | int | float
_WORDS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}


def _float(given: str | float) -> float:
    if isinstance(given, str) and "_" in given:  # Python reads 1_0 as 10; a device that says it means something else
        raise ValueError(given)
    return float(given)


def _int(given: str | float) -> int:
    if isinstance(given, str) and "_" in given:
        raise ValueError(given)
    if isinstance(given, float) and not given.is_integer():
        raise ValueError(given)
    return int(given)


def _string(given: str | float) -> str:
    text = str(given)
    text.encode()  # a lone surrogate, which some codecs make, has no bytes
    return text


def read_bytes(given: Raw) -> bytes:
    """Bytes as they are; text shows them in hexadecimal."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, str):
        return bytes.fromhex(given)
    raise ValueError(given)


def _bool(given: str | float) -> bool:
    if not isinstance(given, str):
        return bool(given)
    word = given.strip().lower()
    if word not in _WORDS:
        raise ValueError(given)
    return _WORDS[word]


READERS: Mapping[DataType, Callable[[str | float], Value]] = {
    DataType.FLOAT64: _float,
    DataType.INT64: _int,
    DataType.UINT64: _int,
    DataType.BOOL: _bool,
    DataType.STRING: _string,
}

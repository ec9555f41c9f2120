"""Whether two specifications of a child say the same: pure."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from supervisors.spec import ChildSpec


def terms(spec: ChildSpec) -> Any:
    """All that is said of a child, but for its children."""
    return canonical({name: getattr(spec, name) for name in spec.__slots__ if name != "children"})


def told(spec: ChildSpec) -> Any:
    """What its process would notice. A supervisor has none."""
    return None if spec.rules is not None else (spec.kind, canonical(spec.table), spec.broken)


def canonical(value: Any) -> Any:
    """Equal for what means the same on both sides of a wire: lists and tuples, paths and text, keys in any order.

    1, 1.0 and true are three things, as in TOML; NaN is itself.
    """
    match value:
        case Mapping():
            return "table", tuple(sorted((str(key), canonical(item)) for key, item in value.items()))
        case list() | tuple():
            return "list", tuple(canonical(item) for item in value)
        case str() | PurePath():
            return "text", str(value)
        case float():
            return "float", value.hex()
        case _ if hasattr(value, "__slots__") and hasattr(value, "__dataclass_fields__"):
            return canonical({name: getattr(value, name) for name in value.__dataclass_fields__})
    return type(value).__name__, value

"""By what `holdfast top` sorts its table: pure."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

Child = Mapping[str, Any]


class Order(StrEnum):
    """The hungriest, or the most restless, first; names by the alphabet."""

    CPU = "cpu"
    RSS = "rss"
    RESTARTS = "restarts"
    NAME = "name"


# nobody knows what a child without a process uses: it comes last
KEYS: Mapping[Order, Callable[[Child], Any]] = {
    Order.CPU: lambda child: -(child.get("cpu") or 0.0),
    Order.RSS: lambda child: -(child.get("rss_bytes") or 0),
    Order.RESTARTS: lambda child: (-child["restarts_in_period"], -child["restarts"]),
    Order.NAME: lambda child: child["name"],
}

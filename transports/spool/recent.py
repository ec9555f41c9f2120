"""The last few of something, by key: the oldest goes when there are too many."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """A small memory of what was read, so that reading it again soon costs nothing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, int], T] = OrderedDict()

    def __contains__(self, key: tuple[int, int]) -> bool:
        return key in self._kept

    def get(self, key: tuple[int, int]) -> T | None:
        """What is known, or None."""
        return self._kept.get(key)

    def put(self, key: tuple[int, int], item: T) -> None:
        """Know it, at the cost of the oldest."""
        self._kept[key] = item
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, key: tuple[int, int]) -> None:
        """It is not so any more."""
        self._kept.pop(key, None)

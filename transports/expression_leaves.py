"""What an expression is made of at its ends: references to tags, constants, functions; and the errors of reading it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from transports.errors import HoldfastError

_FIRST_LETTER = 0x4E00  # of 20,000 that may stand in a name of Python and are one character each

Constant = bool | int | float | str


class ExpressionError(HoldfastError):
    """An expression that cannot be read, or that has no value."""


class Unreadable(ExpressionError):
    """The text is no expression. `position` is the character (from 1) at which that shows."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"at character {position}: {reason}")
        self.position = position


class Reference(NamedTuple):
    """A tag that an expression needs; `device` is "" where all tags are of one device."""

    device: str
    tag: str

    def __str__(self) -> str:
        return f"{self.device}.{self.tag}" if self.device else self.tag


@dataclass(slots=True)
class Leaves:
    """What the letters stand for."""

    constants: dict[str, Constant] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)

    def letter(self) -> str:
        """The next letter that stands for nothing yet."""
        return chr(_FIRST_LETTER + len(self.constants) + len(self.references) + len(self.functions))

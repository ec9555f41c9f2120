"""One rule, read once: its expressions, its actions, and what it says of the readings of the moment. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from actors.rules.settings import OnBad, Settings
from transports.errors import Problem
from transports.expressions import Expression, ExpressionError, Missing, Reference
from transports.samples import Value
from transports.settings import nearest


@dataclass(frozen=True, slots=True)
class Action:
    """`fan.speed = press.oil_temp * 2`: which tag of which device, and to what."""

    device: str
    tag: str
    value: Expression
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can be evaluated. `references` are all tags that its conditions need."""

    name: str
    settings: Settings
    when: Expression
    clear: Expression | None
    then: tuple[Action, ...]
    otherwise: tuple[Action, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every tag that its conditions or its actions read."""
        expressions = [self.when, *([self.clear] if self.clear else [])]
        expressions += [action.value for action in (*self.then, *self.otherwise)]
        return tuple(dict.fromkeys(each for expression in expressions for each in expression.references))

    @property
    def conditions(self) -> tuple[Reference, ...]:
        """Every tag that decides whether it is true."""
        expressions = [self.when, *([self.clear] if self.clear else [])]
        return tuple(dict.fromkeys(each for expression in expressions for each in expression.references))

    def truth(self, readings: Mapping[Reference, Value], was_true: bool) -> bool | None:
        """Whether it is true now; None where that cannot be said, because a reading that decides is not to be had.

        Raises ExpressionError: the rule cannot be evaluated with these readings (a division by zero, a text in a sum).
        """
        try:
            if was_true and self.clear is not None:
                return not self.clear.value(readings)
            return bool(self.when.value(readings))
        except Missing:
            return None

    @property
    def when_missing(self) -> bool | None:
        """What it is taken for then; None: things stay as they are."""
        return _MISSING[self.settings.on_bad]


def rule_of(name: str, settings: Settings, devices: Collection[str]) -> Rule:
    """The rule. Raises ExpressionError; `problems_of` says all that is wrong."""
    clear = Expression(settings.clear, devices) if settings.clear else None
    then = tuple(action_of(text, devices) for text in settings.then)
    otherwise = tuple(action_of(text, devices) for text in settings.else_)
    return Rule(name, settings, Expression(settings.when, devices), clear, then, otherwise)


def action_of(text: str, devices: Collection[str]) -> Action:
    """An action from its text. Raises ExpressionError."""
    target, equals, value = text.partition("=")
    if not equals or value.startswith("="):
        raise ExpressionError('must be written as "device.tag = value", such as "fan.speed = 100"')
    device, dot, tag = target.strip().removeprefix("{").removesuffix("}").partition(".")
    if not dot or not tag or device not in devices:
        hint = nearest(device, sorted(devices))
        raise ExpressionError(f"{target.strip()!r} must be device.tag, of a device of this gateway; {hint}")
    return Action(device, tag, Expression(value, devices), text)


def problems_of(settings: Settings, path: str, devices: Collection[str]) -> Iterator[Problem]:
    """Every expression and action that cannot be read, with its place."""
    for key, text in (("when", settings.when), ("clear", settings.clear)):
        if text or key == "when":
            yield from _wrong(f"{path}.{key}", text, lambda text=text: Expression(text, devices))
    for key, texts in (("then", settings.then), ("else", settings.else_)):
        for at, text in enumerate(texts):
            yield from _wrong(f"{path}.{key}[{at}]", text, lambda text=text: action_of(text, devices))


def _wrong(path: str, text: str, read: object) -> Iterator[Problem]:
    assert callable(read)
    try:
        read()
    except ExpressionError as wrong:
        yield Problem(path, repr(text), str(wrong))


_MISSING: Mapping[OnBad, bool | None] = {OnBad.HOLD: None, OnBad.TRUE: True, OnBad.FALSE: False}

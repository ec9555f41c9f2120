"""What is read at once of a connected peripheral: the tags whose values lie in one characteristic.

A decider: bytes and times are handed in.
"""

from dataclasses import dataclass

from transports.ble.forms import Form
from transports.ble.peripherals import PeripheralSettings, long_uuid
from transports.errors import NotUnderstood
from transports.samples import Quality, Scan, Tag, Value

PERIOD_S = 10.0


@dataclass(frozen=True, slots=True)
class Group:
    """What is read at once: the tags in one characteristic. A period of None: the peripheral tells it."""

    uuid: str
    service: str | None
    period_s: float | None
    tags: tuple[Tag, ...]
    forms: tuple[Form, ...]

    def scan(self, data: bytes, time_ns: int) -> Scan:
        """What these bytes say; a tag that they do not fit is Bad."""
        values = [_value(form, data) for form in self.forms]
        good = None not in values
        codes = [Quality.BAD_DECODING if value is None else Quality.GOOD for value in values]
        return Scan(time_ns, self.tags, values, Quality.GOOD if good else codes)

    def bad(self, quality: int, time_ns: int) -> Scan:
        """Bad of its tags."""
        return Scan(time_ns, self.tags, [None] * len(self.tags), quality)


def _value(form: Form, data: bytes) -> Value | None:
    try:
        return form.value(data)
    except NotUnderstood:
        return None


def groups_of(name: str, settings: PeripheralSettings) -> tuple[Group, ...]:
    """The characteristics of a peripheral, those that are parts of one read together."""
    parts: dict[tuple[str, str | None, float | None], list[tuple[Tag, Form]]] = {}
    for key, one in settings.characteristics.items():
        period_s = None if one.notify else one.period_s or PERIOD_S
        where = (long_uuid(one.uuid), long_uuid(one.service) if one.service else None, period_s)
        parts.setdefault(where, []).append((Tag(f"{name}.{key}", one.form.type, one.unit), one.form))
    return tuple(
        Group(*where, tuple(tag for tag, _ in both), tuple(form for _, form in both)) for where, both in parts.items()
    )

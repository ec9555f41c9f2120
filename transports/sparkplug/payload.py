"""A Sparkplug B payload and its metrics, to bytes and back (chapter 6, the schema).

    Payload        1 timestamp  2 metrics*  3 seq  4 uuid  5 body
    Metric         1 name  2 alias  3 timestamp  4 datatype  5 is_historical  6 is_transient  7 is_null  8 metadata
                   9 properties  10..19 value (datatypes.Form)
    PropertySet    1 keys*  2 values*
    PropertyValue  1 type  2 is_null  3 int  4 long  5 float  6 double  7 boolean  8 string  9.. sets, extension

Unknown fields are skipped; DataSets, Templates, metadata and property sets within properties are not looked into.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transports.errors import NotUnderstood
from transports.sparkplug import wire
from transports.sparkplug.datatypes import Form, SparkplugType, Wired

QUALITY = "Quality"  # the one key that the specification itself defines (chapter 6, Quality Codes)
Property = tuple[SparkplugType, bool | int | float | str | None]
"""A property's datatype and value; None is null, or of a kind that is not looked into."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One value, or word of one. `value` is None where it is null, or where none was said (`is_null` tells).

    A birth names it and gives it a number, data and commands have the number alone. Timestamps are ms UTC.
    """

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: SparkplugType = SparkplugType.UNKNOWN
    value: Wired | None = None
    is_null: bool = False
    is_historical: bool = False
    is_transient: bool = False
    properties: Mapping[str, Property] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payload:
    """What one message carries. `seq` is 0 to 255; a death of the node and commands have none."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = ()
    uuid: str | None = None
    body: bytes | None = None


_VALUE_FIELDS: Mapping[Form, Callable[[int, Any], bytes]] = {
    Form.INT: wire.number_field,
    Form.LONG: wire.number_field,
    Form.FLOAT: wire.float_field,
    Form.DOUBLE: wire.double_field,
    Form.BOOLEAN: lambda number, value: wire.number_field(number, int(value)),
    Form.STRING: lambda number, value: wire.bytes_field(number, value.encode()),
    Form.BYTES: wire.bytes_field,
    Form.DATASET: wire.bytes_field,
    Form.TEMPLATE: wire.bytes_field,
    Form.EXTENSION: wire.bytes_field,
}
_AS: Mapping[Form, Callable[[int | bytes], bool | int | float | str | bytes]] = {
    Form.INT: lambda content: wire.as_number(content, 32),
    Form.LONG: wire.as_number,
    Form.FLOAT: wire.as_float,
    Form.DOUBLE: wire.as_double,
    Form.BOOLEAN: lambda content: bool(wire.as_number(content)),
    Form.STRING: wire.as_text,
    Form.BYTES: wire.as_bytes,
    Form.DATASET: wire.as_bytes,
    Form.TEMPLATE: wire.as_bytes,
    Form.EXTENSION: wire.as_bytes,
}
# A property's value lies in the fields of a metric's, seven numbers lower (3 int_value ... 8 string_value)
_PROPERTY_OFFSET = Form.INT - 3
_PROPERTY_FORMS = (Form.INT, Form.LONG, Form.FLOAT, Form.DOUBLE, Form.BOOLEAN, Form.STRING)
_PROPERTY_FORM_OF: Mapping[SparkplugType, Form] = {
    SparkplugType.INT32: Form.INT,
    SparkplugType.INT64: Form.LONG,
    SparkplugType.UINT64: Form.LONG,
    SparkplugType.DOUBLE: Form.DOUBLE,
    SparkplugType.BOOLEAN: Form.BOOLEAN,
    SparkplugType.STRING: Form.STRING,
}


def encode(timestamp_ms: int | None, seq: int | None, metrics: "list[bytes] | tuple[bytes, ...]") -> bytes:
    """A payload of metrics that `encode_metric` made."""
    parts = [] if timestamp_ms is None else [wire.number_field(1, timestamp_ms)]
    parts += [wire.bytes_field(2, metric) for metric in metrics]
    if seq is not None:
        parts.append(wire.number_field(3, seq))
    return b"".join(parts)


def encode_metric(metric: Metric) -> bytes:
    """A metric without its key. False flags are left out, as absence says the same."""
    parts = [] if metric.name is None else [wire.bytes_field(1, metric.name.encode())]
    for number, value in ((2, metric.alias), (3, metric.timestamp_ms), (4, metric.datatype or None)):
        if value is not None:
            parts.append(wire.number_field(number, value))
    if metric.is_historical:
        parts.append(wire.number_field(5, 1))
    if metric.is_transient:
        parts.append(wire.number_field(6, 1))
    if metric.is_null:
        parts.append(wire.number_field(7, 1))
    if metric.properties:
        parts.append(wire.bytes_field(9, _encode_properties(metric.properties)))
    if metric.value is not None:
        form, content = metric.value
        parts.append(_VALUE_FIELDS[form](form, content))
    return b"".join(parts)


def decode(message: bytes) -> Payload:
    """What a message says. Raises NotUnderstood for what is no payload of the schema."""
    known: dict[str, Any] = {}
    metrics: list[Metric] = []
    for number, _, content in wire.fields(message):
        match number:
            case 1:
                known["timestamp_ms"] = wire.as_number(content)
            case 2:
                metrics.append(_metric(wire.as_bytes(content)))
            case 3:
                known["seq"] = wire.as_number(content)
            case 4:
                known["uuid"] = wire.as_text(content)
            case 5:
                known["body"] = wire.as_bytes(content)
    return Payload(metrics=tuple(metrics), **known)


def _metric(message: bytes) -> Metric:
    known: dict[str, Any] = {}
    for number, _, content in wire.fields(message):
        match number:
            case 1:
                known["name"] = wire.as_text(content)
            case 2:
                known["alias"] = wire.as_number(content)
            case 3:
                known["timestamp_ms"] = wire.as_number(content)
            case 4:
                known["datatype"] = _datatype(content)
            case 5 | 6 | 7:
                flag = {5: "is_historical", 6: "is_transient", 7: "is_null"}[number]
                known[flag] = bool(wire.as_number(content))
            case 9:
                known["properties"] = _properties(wire.as_bytes(content))
            case 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18 | 19:
                known["value"] = Wired(Form(number), _AS[Form(number)](content))
    if known.get("is_null"):
        known["value"] = None
    return Metric(**known)


def _datatype(content: int | bytes) -> SparkplugType:
    number = wire.as_number(content, 32)
    try:
        return SparkplugType(number)
    except ValueError:
        raise NotUnderstood(f"there is no datatype {number}") from None


def _encode_properties(properties: Mapping[str, Property]) -> bytes:
    keys = [wire.bytes_field(1, name.encode()) for name in properties]
    values = [wire.bytes_field(2, _encode_property(*one)) for one in properties.values()]
    return b"".join(keys + values)


def _encode_property(kind: SparkplugType, value: bool | int | float | str | None) -> bytes:
    said = wire.number_field(1, kind)
    if value is None:
        return said + wire.number_field(2, 1)
    form = _PROPERTY_FORM_OF[kind]
    return said + _VALUE_FIELDS[form](form - _PROPERTY_OFFSET, value)


def _properties(message: bytes) -> dict[str, Property]:
    keys: list[str] = []
    values: list[Property] = []
    for number, _, content in wire.fields(message):
        if number == 1:
            keys.append(wire.as_text(content))
        elif number == 2:
            values.append(_property(wire.as_bytes(content)))
    if len(keys) != len(values):  # tck-id-payloads-propertyset-keys-array-size
        raise NotUnderstood(f"{len(keys)} properties' names and {len(values)} values")
    return dict(zip(keys, values, strict=True))


def _property(message: bytes) -> Property:
    kind, value = SparkplugType.UNKNOWN, None
    for number, _, content in wire.fields(message):
        if number == 1:
            kind = _datatype(content)
        elif number + _PROPERTY_OFFSET in _PROPERTY_FORMS:
            value = _AS[Form(number + _PROPERTY_OFFSET)](content)
    return kind, value if not isinstance(value, bytes) else None

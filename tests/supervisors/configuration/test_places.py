"""Lines of keys and tables: right for every TOML there is, and no failure for what is none."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.configuration.places import places

WHOLE = """\
title = "a # no comment"  # a comment with [brackets] and "quotes
text = '''
[not.a.table]
key = 1
'''
quote = \"\"\"three "\"" quotes\"\"\"
[device.plc]
host.name = "h"
tags = [
    { name = "a", register = { kind = "x" } }, # first
    { name = "b" },

    { name = "c" },
]
"odd key" = 1
when = 2024-05-01T10:00:00
ratio = -1.5e3
[[device.list]]
a = 1
[[device.list]]
a = 2
  [device.list.below]
  b = 3
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("title", 1),
        ("text", 2),
        ("quote", 6),
        ("device.plc", 7),
        ("device.plc.host.name", 8),
        ("device.plc.host", 8),
        ("device.plc.tags", 9),
        ("device.plc.tags[0].register.kind", 10),
        ("device.plc.tags[1].name", 11),
        ("device.plc.tags[2]", 13),
        ("device.plc.tags[2].missing", 13),
        ("device.plc.odd key", 15),
        ("device.plc.when", 16),
        ("device.plc.ratio", 17),
        ("device.list[0].a", 19),
        ("device.list[1]", 20),
        ("device.list[1].below.b", 23),
        ("device.plc.missing", 7),
        ("device", 7),
        ("nowhere.at.all", 1),
    ],
)
def test_a_path_has_its_line_and_a_missing_one_that_of_its_table(path: str, line: int) -> None:
    assert places(WHOLE).line_of(path) == line


def test_what_is_written_at_a_line_is_known_by_its_path() -> None:
    assert places(WHOLE).path_at(10) == "device.plc.tags[0].register.kind"
    assert places(WHOLE).path_at(12) == "device.plc.tags[1].name"


def test_line_ends_of_windows_count_as_one() -> None:
    assert places("a = 1\r\n[b]\r\nc = 2\r\n").line_of("b.c") == 3


@given(st.text(alphabet="ab.=[]{},\"'#\n\\ 1", max_size=60))
def test_every_key_of_every_toml_is_found_and_other_text_is_no_failure(text: str) -> None:
    found = places(text)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    known = [path for path, _ in found.found]
    for path in _leaves(table, ""):
        if "\\" not in text and not any(mark in key for key in _keys(table) for mark in (".", "[", "]")):
            assert any(k == path for k in known), path


def _keys(value: Any) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield str(key)
        yield from _keys(item)


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}[{at}]")
    else:
        yield path

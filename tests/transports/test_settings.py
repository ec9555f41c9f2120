"""Settings: a right table becomes what it says; every mistake in a wrong one is named with its cure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.building import build
from transports.errors import Problem, SettingsError
from transports.settings import Secret, duration, fields_of, nearest, setting, size


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Point:
    address: int = setting(ge=0, le=65535, help="register")
    scale: float = setting(1.0, help="factor")

    def problems(self, path: str) -> Iterable[Problem]:
        if self.address == 666:
            yield Problem(f"{path}.address", "666", "must be another one")


@dataclass(frozen=True)
class Login:
    user: str = setting(help="name")
    password: Secret = setting(help="password")


def _no_spaces(text: str) -> str | None:
    return "must have no spaces" if " " in text else None


@dataclass(frozen=True)
class Settings:
    host: str = setting(help="address", example="192.168.1.10", check=_no_spaces)
    port: int = setting(502, ge=1, le=65535, help="TCP port")
    timeout_s: float = duration("1s", le=60, help="patience")
    buffer_bytes: int = size("64KiB", le=2**20, help="memory")
    ratio: float = setting(0.5, gt=0, le=1, help="share")
    gain: float = setting(1.0, help="any number")
    parity: str = setting("none", choices=("none", "even"), help="parity")
    qos: Literal[0, 1] = setting(1, help="quality of service")
    mode: Literal["fast", "safe"] = setting("safe", help="mode")
    colour: Colour = setting(Colour.RED, help="colour")
    verbose: bool = setting(False, help="talk")
    path: Path | None = setting(None, help="file")
    token: Secret | None = setting(None, help="token")
    tokens: dict[str, Secret] = setting({}, help="tokens by name")
    login: Login | None = setting(None, help="who")
    names: tuple[str, ...] = setting(("a",), help="names")
    words: tuple[str, ...] = setting((), help="words", check=lambda words: None if "".join(words) else "must say more")
    points: Mapping[str, Point] = setting({}, help="points")
    either: tuple[int, ...] | tuple[str, ...] | Point | str = setting("", help="several forms")


def built(**table: Any) -> Settings:
    return build(Settings, {"host": "plc", **table}, "device.x")


def problems(table: Any) -> list[Problem]:
    with pytest.raises(SettingsError) as caught:
        build(Settings, table, "device.x")
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return list(caught.value.problems)


def problem(**table: Any) -> Problem:
    """The only problem of a table that is otherwise right."""
    (found,) = problems({"host": "plc", "words": ["w"], **table})
    return found


def test_defaults_stand_where_nothing_is_written() -> None:
    made = built(words=["w"])
    assert (made.port, made.timeout_s, made.buffer_bytes, made.names) == (502, 1.0, 65536, ("a",))


def test_what_is_written_is_kept_in_its_type() -> None:
    made = built(
        words=["w"],
        timeout="250ms",
        buffer=4096,
        ratio=1,
        colour="green",
        path="/data/x",
        token={"env": "TOKEN"},
        names=["b", "c"],
        points={"flow": {"address": 7}},
        qos=0,
    )
    assert (made.timeout_s, made.buffer_bytes, made.ratio, made.colour) == (0.25, 4096, 1.0, Colour.GREEN)
    assert (made.path, made.token, made.names, made.qos) == (Path("/data/x"), Secret(env="TOKEN"), ("b", "c"), 0)
    assert made.points == {"flow": Point(7)}
    assert isinstance(made.ratio, float)


@pytest.mark.parametrize(
    ("table", "path", "value", "cure"),
    [
        ({"port": 0}, "port", "0", "at least 1 and at most 65535"),
        ({"port": "502"}, "port", "'502'", "a whole number, at least 1"),
        ({"port": 5.0}, "port", "5.0", "a whole number"),
        ({"port": True}, "port", "True", "a whole number"),
        ({"host": 5}, "host", "5", "a string"),
        ({"host": "a b"}, "host", "'a b'", "must have no spaces"),
        ({"verbose": 1}, "verbose", "1", "true or false"),
        ({"timeout": "10"}, "timeout", "'10'", 'a duration such as "250ms"'),
        ({"timeout": "-1s"}, "timeout", "'-1s'", "a duration"),
        ({"timeout": 0}, "timeout", "0", "more than 0 and at most 60"),
        ({"timeout": "2m"}, "timeout", "'2m'", "at most 60"),
        ({"timeout": math.inf}, "timeout", "inf", "finite"),
        ({"timeout": 10**400}, "timeout", "1000000", "a duration"),
        ({"timeout": "9" * 50_000 + "h"}, "timeout", "'9999", "finite"),
        ({"buffer": "2MiB"}, "buffer", "'2MiB'", "at most 1048576"),
        ({"buffer": "much"}, "buffer", "'much'", "a size such as"),
        ({"buffer": 0}, "buffer", "0", "at least 1"),
        ({"buffer": "9" * 400 + "GB"}, "buffer", "'9999", "at most"),
        ({"ratio": 0}, "ratio", "0", "more than 0 and at most 1"),
        ({"gain": math.nan}, "gain", "nan", "must be finite"),
        ({"gain": -math.inf}, "gain", "-inf", "must be finite"),
        ({"gain": 10**400}, "gain", "1000000", "a number"),
        ({"parity": "evn"}, "parity", "'evn'", "must be one of none, even; did you mean 'even'?"),
        ({"parity": "x"}, "parity", "'x'", "must be one of none, even"),
        ({"qos": 2}, "qos", "2", "one of 0, 1"),
        ({"qos": True}, "qos", "True", "one of 0, 1"),
        ({"mode": "fats"}, "mode", "'fats'", "one of fast, safe"),
        ({"colour": "blue"}, "colour", "'blue'", "one of red, green"),
        ({"colour": []}, "colour", "[]", "one of red, green"),
        ({"path": ""}, "path", "''", "a path"),
        ({"names": "a"}, "names", "'a'", "a list of which each is a string"),
        ({"names": ["a", 5]}, "names[1]", "5", "a string"),
        ({"words": [5]}, "words[0]", "5", "a string"),
        ({"points": []}, "points", "[]", "a table"),
        ({"points": {"flow": 5}}, "points.flow", "5", "a table of settings"),
        ({"points": {"flow": {}}}, "points.flow.address", "", "is missing; write a whole number, at least 0"),
        ({"points": {"flow": {"address": 70000}}}, "points.flow.address", "70000", "at most 65535"),
        ({"points": {"flow": {"address": 666}}}, "points.flow.address", "666", "must be another one"),
        ({"points": {"flow": {"adress": 1, "address": 1}}}, "points.flow.adress", "", "did you mean 'address'?"),
        ({"pot": 1}, "pot", "", "unknown setting; did you mean 'port'?"),
        ({"zzz": 1}, "zzz", "", "unknown setting; allowed here: host, port, timeout"),
        ({"timeout_s": 1}, "timeout_s", "", "did you mean 'timeout'?"),
        ({"either": 1.5}, "either", "1.5", "must be a list of which each is a whole number or"),
        ({"either": [1.5]}, "either[0]", "1.5", "a whole number"),
        ({"either": {"address": -1}}, "either.address", "-1", "at least 0"),
    ],
)
def test_every_mistake_names_its_place_its_value_and_its_cure(
    table: dict[str, Any], path: str, value: str, cure: str
) -> None:
    found = problem(**table)
    assert found.path == f"device.x.{path}"
    assert found.value.startswith(value) if value else found.value == ""
    assert cure in found.cure
    assert len(found.value) <= 60


def test_all_mistakes_are_told_at_once() -> None:
    found = problems({"pot": 1, "timeout": "x", "points": {"a": {"address": -1}, "b": {}}})
    assert [each.path.removeprefix("device.x.") for each in found] == [
        "pot",
        "host",
        "timeout",
        "points.a.address",
        "points.b.address",
    ]


@pytest.mark.parametrize("table", [None, 5, "text", []])
def test_what_is_no_table_is_said_to_be_none(table: Any) -> None:
    (found,) = problems(table)
    assert found.path == "device.x"
    assert "must be a table" in found.cure


@pytest.mark.parametrize(
    ("given", "value"), [([1, 2], (1, 2)), (["a"], ("a",)), ("a", "a"), ({"address": 1}, Point(1)), ([], ())]
)
def test_the_first_form_that_fits_is_taken(given: Any, value: Any) -> None:
    assert built(words=["w"], either=given).either == value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([note.key for note in fields_of(Settings)])


@given(st.dictionaries(KEYS | st.text(max_size=5), VALUES, max_size=5))
def test_any_table_is_built_or_refused_with_places_and_cures(table: dict[str, Any]) -> None:
    found: tuple[Problem, ...] | None = None
    try:
        build(Settings, table, "device.x")
    except SettingsError as refused:
        found = refused.problems
    assert found is None or found
    assert all(each.path.startswith("device.x") and len(each.cure) > 4 for each in found or ())


def test_a_secret_is_read_from_its_file_when_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2\n")
    token = built(words=["w"], token={"file": str(file)}).token
    assert token is not None
    assert token.reveal() == "hunter2"
    file.write_text("rotated")
    assert token.reveal() == "rotated"


def test_a_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TEST_TOKEN", "hunter2")
    token = Secret(env="HOLDFAST_TEST_TOKEN")
    assert token.reveal() == "hunter2"
    assert "hunter2" not in f"{token!r} {token} {built(words=['w'], token={'env': 'HOLDFAST_TEST_TOKEN'})!r}"


def test_a_secret_is_read_from_what_systemd_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cloud").write_text("hunter2\n")
    token = built(words=["w"], token={"credential": "cloud"}).token
    assert token is not None
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SettingsError, match="LoadCredential=cloud:"):
        token.reveal()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert token.reveal() == "hunter2"


@pytest.mark.parametrize(
    "table",
    [
        {"token": "hunter2"},
        {"token": ["hunter2"]},
        {"token": {"text": "hunter2"}},
        {"token": {"file": "", "env": "hunter2"}},
        {"tokens": "hunter2"},
        {"tokens": {"a": "hunter2"}},
        {"login": "hunter2"},
        {"login": {"user": "me", "password": "hunter2"}},
        {"passwrod": "hunter2"},
    ],
)
def test_a_secret_written_as_text_is_refused_and_shown_nowhere(table: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        built(words=["w"], **table)
    assert "hunter2" not in str(caught.value)
    (found,) = caught.value.problems
    assert next(iter(table)) in found.path


@pytest.mark.parametrize("secret", [Secret(file="/nowhere/token"), Secret(env="HOLDFAST_TEST_UNSET")])
def test_a_secret_that_is_not_there_is_a_mistake_that_says_where(secret: Secret) -> None:
    with pytest.raises(SettingsError, match=r"/nowhere/token|HOLDFAST_TEST_UNSET"):
        secret.reveal()


def test_a_secret_that_is_no_text_is_a_mistake_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="readable"):
        Secret(file=str(tmp_path / "token")).reveal()


def test_the_notes_of_the_fields_are_what_build_accepts() -> None:
    notes = {note.key: note for note in fields_of(Settings)}
    assert list(notes)[:4] == ["host", "port", "timeout", "buffer"]
    assert notes["host"].required
    assert notes["host"].example == "192.168.1.10"
    assert [notes[key].default for key in ("port", "timeout", "colour", "points", "tokens")] == [
        "502",
        "1s",
        "red",
        "{}",
        "{}",
    ]
    assert notes["port"].form == "a whole number, at least 1 and at most 65535"
    assert all(note.help for note in notes.values())


def test_a_list_made_by_a_factory_is_a_new_one_each_time() -> None:
    @dataclass(frozen=True)
    class Listed:
        names: dict[str, str] = setting({"a": "b"}, help="names")
        plain: list[str] = field(default_factory=list)

    first, second = build(Listed, {}, "x"), build(Listed, {}, "x")
    assert first.names == second.names
    assert first.names is not second.names


def test_a_misspelt_word_is_answered_with_the_nearest_or_all() -> None:
    assert nearest("modbsu", ["modbus", "serial"]) == "did you mean 'modbus'?"
    assert nearest("x", ["modbus", "serial"]) == "allowed here: modbus, serial"
    assert nearest("x", []) == "nothing is allowed here"

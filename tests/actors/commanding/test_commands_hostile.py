"""Whatever is sent to a device as a command: nonsense is rejected, and the next command is done."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actors.commanding.hand import Bench
from transports.messages import Command
from transports.writing import Limits


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "field",
    [
        {"value": (math.nan,), "tag": "list"},
        {"value": (math.inf,), "tag": "list"},
        {"value": (math.nan,)},
        {"value": math.nan},
        {"value": math.nan, "tag": "f"},
        {"value": 10**400, "tag": "f"},
        {"value": 2**63},
        {"value": None},
        {"value": {"a": 1}},
        {"until_s": math.nan},
        {"until_s": math.inf},
        {"until_s": "soon"},
        {"tag": 7},
        {"tag": ("x",)},
        {"origin": 7},
        {"who": None},
        {"key": "k" * 201},
    ],
)
def test_what_makes_no_sense_is_rejected_and_the_next_command_is_done(bench: Bench, field: dict[str, Any]) -> None:
    given = {"key": "k", **field}
    assert bench.send(**given)[0] == "rejected"
    assert bench.valve.written == []
    assert bench.send("next")[0] == "done"


def test_what_has_no_usable_key_is_passed_over(bench: Bench) -> None:
    for key in (7, None, b"k", ["k"], "\udcff"):
        bench.take(key)
    bench.mailbox.turn()
    assert (bench.mailbox.answers, bench.deeds()) == ([], [])
    assert bench.send("next")[0] == "done"


@given(fields=st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.just((math.nan,))), min_size=6))
def test_whatever_comes_over_the_socket_the_next_command_is_done(
    tmp_path_factory: pytest.TempPathFactory, fields: list[Any]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("d"))
    bench.commands.take("me", Command(*fields[:9]))
    bench.mailbox.turn()
    assert bench.send("a key that nobody made up")[0] == "done"


def test_a_choice_is_a_number_however_it_is_written(bench: Bench) -> None:
    assert bench.send("a", 1.0, "f")[0] == "done"
    assert bench.send("b", 3.0, "f")[0] == "rejected"
    assert Limits(choices=(1.0, 2)).refusal(1) == ""
    assert Limits(choices=(1, 2)).refusal(True) != ""
    assert Limits(choices=(True,)).refusal(1) != ""
    assert Limits(choices=("1",)).refusal(1) != ""

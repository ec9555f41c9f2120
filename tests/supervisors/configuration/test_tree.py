"""From a configuration to the tree of children: who stands where, by which rules, and when two trees are the same."""

from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.configuration import tree
from supervisors.configuration.claims import Kept, claim_problems, kept
from supervisors.configuration.config import load
from supervisors.configuration.gateway import Gateway
from supervisors.spec import AutoShutdown, ChildSpec, Exhausted, Limits, Restart, Rules, Strategy
from transports.errors import SettingsError
from transports.names import ROOT, SPOOLER

SITE = """[device.press-1]
driver = "sim"
tags = { level = { wave = "sine" } }
[device.press-2]
driver = "sim"
tags = { level = { wave = "sine" } }
[device.box]
driver = "host"
[aggregate.mean]
from = ["press-*"]
window = "1s"
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
[program.broker]
command = ["mosquitto"]
"""
Loaded = Callable[[str], Gateway]
Grown = Callable[[str], ChildSpec]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    def _loaded(text: str) -> Gateway:
        (tmp_path / "site.toml").write_text(text)
        return load(tmp_path / "site.toml")

    return _loaded


@pytest.fixture
def grown(loaded: Loaded) -> Grown:
    return lambda text: tree.root(loaded(text))


def shape(spec: ChildSpec) -> object:
    """The names of a tree: a process as its name, a supervisor as (name, children)."""
    return spec.name if spec.rules is None else (spec.name, [shape(child) for child in spec.children])


def everybody(spec: ChildSpec) -> Iterator[ChildSpec]:
    yield spec
    for child in spec.children:
        yield from everybody(child)


def named(root: ChildSpec, name: str) -> ChildSpec:
    return next(spec for spec in everybody(root) if spec.name == name)


def test_without_a_supervisor_the_root_keeps_all_in_the_order_of_the_house(grown: Grown) -> None:
    root = grown(SITE)
    assert shape(root) == ("root", [SPOOLER, "broker", "cloud", "mean", "press-1", "press-2", "box"])
    assert root.rules == Rules()
    assert [spec.kind for spec in root.children] == [
        *("spooler", "program", "uplink", "aggregator", "device", "device", "device")
    ]


def test_only_devices_are_not_waited_for(grown: Grown) -> None:
    waits = {spec.name: spec.waits for spec in grown(SITE).children}
    assert waits == {"press-1": False, "press-2": False, "box": False, "mean": True, "cloud": True, "broker": True} | {
        SPOOLER: True
    }


def test_a_supervisor_keeps_whom_it_names_in_the_order_of_its_list(grown: Grown) -> None:
    root = grown(SITE + '[supervisor.cell]\nchildren = ["box", "cloud", "broker"]\n')
    assert shape(root) == ("root", [SPOOLER, ("cell", ["box", "cloud", "broker"]), "mean", "press-1", "press-2"])


@pytest.mark.parametrize(
    ("children", "before", "after"),
    [
        ('["press-*"]', "mean", "box"),  # only devices: among the devices
        ('["press-2", "box"]', "press-1", None),
        ('["press-*", "cloud"]', "broker", "mean"),  # an uplink: where that uplink was
        ('["box", "broker"]', SPOOLER, "cloud"),
    ],
)
def test_a_supervisor_stands_where_its_first_process_would(
    children: str, before: str, after: str | None, grown: Grown
) -> None:
    names = [spec.name for spec in grown(SITE + f"[supervisor.cell]\nchildren = {children}\n").children]
    at = names.index("cell")
    assert names[at - 1] == before
    assert names[at + 1 :][:1] == ([after] if after else [])


def test_one_pattern_means_its_own_in_the_order_of_the_house(grown: Grown) -> None:
    root = grown(SITE + '[supervisor.all]\nchildren = ["box", "*"]\n')
    assert shape(root) == ("root", [SPOOLER, ("all", ["box", "broker", "cloud", "mean", "press-1", "press-2"])])


def test_a_name_wins_over_a_pattern_also_of_the_same_list(grown: Grown) -> None:
    lists = '[supervisor.a]\nchildren = ["press-*", "mean", "press-1"]\n[supervisor.b]\nchildren = ["press-2"]\n'
    root = grown(SITE + lists)
    assert shape(named(root, "a")) == ("a", ["mean", "press-1"])
    assert shape(named(root, "b")) == ("b", ["press-2"])


def test_supervisors_stand_in_supervisors(grown: Grown) -> None:
    root = grown(
        SITE
        + '[supervisor.cell]\nchildren = ["broker", "presses"]\nstrategy = "rest_for_one"\n'
        + '[supervisor.presses]\nchildren = ["press-*"]\nstrategy = "one_for_all"\nintensity = 1\nperiod = "5s"\n'
        + 'restart = "transient"\nsignificant = false\non_exhausted = "escalate"\nhealthy_after = "7s"\n'
    )
    assert shape(named(root, "cell")) == ("cell", ["broker", ("presses", ["press-1", "press-2"])])
    presses = named(root, "presses")
    assert (presses.kind, presses.table, presses.restart, presses.grace_s) == ("supervisor", {}, "transient", inf)
    assert presses.rules == Rules(Strategy.ONE_FOR_ALL, 1, 5.0, 7.0, Exhausted.ESCALATE, AutoShutdown.NEVER)


def test_what_a_supervisor_does_not_say_is_as_in_supervision(grown: Grown) -> None:
    house = '[supervision]\nintensity = 9\nperiod = "9s"\nhealthy_after = "99s"\non_exhausted = "escalate"\n'
    root = grown(SITE + house + '[supervisor.cell]\nchildren = ["press-*"]\n')
    assert named(root, "cell").rules == root.rules == Rules(Strategy.ONE_FOR_ONE, 9, 9.0, 99.0, Exhausted.ESCALATE)


@pytest.mark.parametrize(("strategy", "waits"), [("one_for_one", False), ("rest_for_one", True), ("one_for_all", True)])
def test_devices_are_waited_for_only_where_their_order_matters(strategy: str, waits: bool, grown: Grown) -> None:
    root = grown(SITE + f'[supervisor.cell]\nchildren = ["press-*"]\nstrategy = "{strategy}"\n')
    assert {spec.waits for spec in named(root, "cell").children} == {waits}
    assert not named(root, "cell").waits, "a supervisor of devices is no foundation of the others"


def test_a_supervisor_with_an_uplink_in_it_is_waited_for_and_probed_soon(grown: Grown) -> None:
    root = grown(SITE + '[supervisor.out]\nchildren = ["in"]\n[supervisor.in]\nchildren = ["cloud", "box"]\n')
    assert (named(root, "out").waits, named(root, "out").backoff.ceiling_s) == (True, tree.VITAL_CEILING_S)
    cell = named(grown(SITE + '[supervisor.cell]\nchildren = ["box"]\n'), "cell")
    assert cell.backoff.ceiling_s == 300.0


def test_what_is_disabled_is_in_no_supervisor_and_one_left_alone_is_left_out(loaded: Loaded) -> None:
    text = SITE.replace('driver = "host"', 'driver = "host"\nenabled = false')
    some = loaded(text + '[supervisor.cell]\nchildren = ["box", "press-1"]\n')
    assert shape(named(tree.root(some), "cell")) == ("cell", ["press-1"])
    none = loaded(text + '[supervisor.cell]\nchildren = ["inner"]\n[supervisor.inner]\nchildren = ["box"]\n')
    assert tree.root(none) == tree.root(loaded(text))
    assert [str(warning).partition(": ")[2] for warning in none.warnings] == [
        f"supervisor.{name}.children: are all disabled; it is left out" for name in ("cell", "inner")
    ]


def test_one_process_is_kept_as_its_own_table_says_and_else_as_the_house_does(grown: Grown) -> None:
    house = (
        '[supervision]\nmemory_soft = "1MiB"\nmemory_hard = "2MiB"\ncpu_hard = 0.9\ngrace = "7s"\nhang_after = "8s"\n'
    )
    own = """[device.own]
driver = "host"
supervise = { restart = "transient", grace = "0s", start_within = "1m", hang_after = "3s", memory_soft = "unlimited", \
memory_hard = "3MiB", descriptors_hard = 64, cpu_over = "1m" }
"""
    root = grown(SITE + house + own)
    spec, other = named(root, "own"), named(root, "box")
    assert (spec.restart, spec.grace_s, spec.start_within_s, spec.hang_after_s) == (Restart.TRANSIENT, 0.0, 60.0, 3.0)
    assert spec.limits == Limits(None, 3 * 2**20, None, 64, None, 0.9, 60.0)
    assert (other.restart, other.grace_s, other.start_within_s, other.hang_after_s) == ("permanent", 7.0, 30.0, 8.0)
    assert other.limits == named(root, SPOOLER).limits == Limits(2**20, 2**21, cpu_hard=0.9)


def test_an_unlimited_grace_is_endless(grown: Grown) -> None:
    root = grown(SITE + 'supervise = { grace = "unlimited" }\n')
    assert named(root, "broker").grace_s == inf


def test_a_programs_table_is_plain_and_whole(grown: Grown) -> None:
    text = SITE + 'ready = { port = 1883 }\nenvironment = { PIN = { env = "HOME" } }\n'
    table = named(grown(text), "broker").table
    assert table == {
        "settings": {"command": ["mosquitto"], "ready": {"port": 1883}, "environment": {"PIN": {"env": "HOME"}}}
    }


def test_only_what_is_used_is_loaded_beforehand(loaded: Loaded) -> None:
    assert "actors.program" in tree.modules(loaded(SITE))
    assert "actors.program" not in tree.modules(loaded(SITE.partition("[program")[0]))


def test_every_table_travels_to_its_process(grown: Grown) -> None:
    for spec in tree.leaves(grown(SITE)):
        assert msgpack.unpackb(msgpack.packb(spec.table)) == spec.table


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("[device.press-1]", "# a comment\n\n[device.press-1]", set()),
        ('} }\n[device.box]', '} } # a comment\n\n[device.box]', set()),
        ('[uplink.cloud]\ntype = "mqtt"', '[uplink.cloud]\nenabled = true\ntype = "mqtt"', set()),
        ('driver = "host"', 'period = "1s"\ndriver = "host"', set()),
        ('driver = "host"', 'driver = "host"\nperiod = "2s"', {"box"}),
        ('driver = "host"', 'driver = "host"\nsupervise = { grace = "9s" }', {"box"}),
        ('command = ["mosquitto"]', 'command = ["mosquitto", "-v"]', {"broker"}),
        ('from = ["press-*"]', 'from = ["press-1"]', {"mean", "press-1", "press-2"}),
        ('window = "1s"', 'window = "1s"\nkeep = true', {"mean", "press-1", "press-2"}),
        ('host = "127.0.0.1"', 'host = "127.0.0.1"\nqos = 1', {"cloud"}),
    ],
)  # fmt: skip
def test_two_specs_are_equal_exactly_when_nothing_changed(old: str, new: str, changed: set[str], grown: Grown) -> None:
    assert SITE.count(old) == 1
    before = {spec.name: spec for spec in tree.leaves(grown(SITE))}
    after = {spec.name: spec for spec in tree.leaves(grown(SITE.replace(old, new)))}
    assert {name for name in before if before[name] != after[name]} == changed


def test_all_processes_are_listed_in_start_order_whoever_keeps_them(loaded: Loaded) -> None:
    gateway = loaded(SITE + '[supervisor.cell]\nchildren = ["box", "cloud"]\n')
    names = [spec.name for spec in tree.children(gateway)]
    assert names == [SPOOLER, "broker", "box", "cloud", "mean", "press-1", "press-2"]


# --- whatever the claims ---------------------------------------------------------------------------------------------

PROCESSES = ("a-1", "a-2", "b-1", "b-2", "c")
SUPERVISORS = ("s-1", "s-2", "s-3")
TEXTS = st.sampled_from((*PROCESSES, *SUPERVISORS, SPOOLER, "zz", "*", "a-*", "b-*", "s-*", "?-1", "[ab]-2", "c*"))
LISTS = st.dictionaries(st.sampled_from(SUPERVISORS), st.lists(TEXTS, min_size=1, max_size=4, unique=True))


def below(found: Kept, name: str) -> list[str]:
    """All names under a supervisor, each as often as it is there."""
    return [each for child in found.children[name] for each in (child, *below_if(found, child))]


def below_if(found: Kept, name: str) -> list[str]:
    return below(found, name) if name in found.children else []


@given(LISTS)
def test_without_a_problem_everybody_is_in_the_tree_exactly_once(lists: dict[str, list[str]]) -> None:
    if list(claim_problems(PROCESSES, lists, lambda _: 1)):
        return
    found = kept(PROCESSES, lists)
    assert sorted(below(found, ROOT)) == sorted((*PROCESSES, *lists))
    assert all(found.children[name] for name in lists), "a supervisor without children"


@given(LISTS)
def test_a_name_that_is_claimed_by_name_is_kept_by_one_who_names_it(lists: dict[str, list[str]]) -> None:
    found = kept(PROCESSES, lists)
    for name in (*PROCESSES, *lists):
        by_name = {keeper for keeper, texts in lists.items() if name in texts and keeper != name}
        if by_name:
            assert found.claims[name].by in by_name


@given(LISTS, st.sets(st.sampled_from(PROCESSES)))
def test_leaving_processes_out_moves_nobody_else(lists: dict[str, list[str]], absent: set[str]) -> None:
    if list(claim_problems(PROCESSES, lists, lambda _: 1)):
        return
    present = [name for name in PROCESSES if name not in absent]
    whole, part = kept(PROCESSES, lists), kept(present, lists)
    for keeper in (ROOT, *lists):
        remaining = [name for name in whole.children[keeper] if name in present]
        assert [name for name in part.children[keeper] if name in present] == remaining


def test_a_devices_stages_travel_and_one_that_must_not_forget_is_refused(grown: Grown) -> None:
    text = SITE.replace("[device.press-1]\n", '[device.press-1]\nstages = [{ stage = "scale", factor = 2 }]\n')
    assert text != SITE
    assert named(grown(text), "press-1").table["stages"] == [{"stage": "scale", "factor": 2}]
    with pytest.raises(SettingsError, match=r"stages\[0\].stage = 'counter': remembers what must survive"):
        grown(text.replace('"scale", factor = 2', '"counter"'))

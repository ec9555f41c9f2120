import tomllib

from hypothesis import given
from hypothesis import strategies as st

from transports.building import build
from transports.opcua.browsing import Found
from transports.opcua.listing import table_of_found, tag_names
from transports.opcua.settings import Settings
from transports.opcua.values import DOUBLE, EXTENSION

PATHS = st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4).map(tuple), max_size=30)


def test_a_name_is_as_short_as_it_can_be() -> None:
    paths = [("Line1", "Motor", "Speed"), ("Line2", "Motor", "Speed"), ("Line2", "Valve"), ("Valve", "Öffnung %")]
    assert tag_names(paths) == ["line1_motor_speed", "line2_motor_speed", "valve", "ffnung"]


def test_paths_that_are_the_same_get_a_number() -> None:
    assert tag_names([("A",), ("a",), ("", "!")]) == ["a", "a_2", "tag"]


@given(PATHS)
def test_no_two_names_are_the_same_and_each_is_a_key(paths: list[tuple[str, ...]]) -> None:
    names = tag_names(paths)
    assert len(set(names)) == len(paths)
    assert all(name.replace("_", "a").isascii() and name.replace("_", "a").isalnum() for name in names)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.sampled_from([0, DOUBLE, EXTENSION])), max_size=10))
def test_whatever_a_server_calls_its_variables_the_table_is_toml_that_loads(given_: list[tuple[str, int]]) -> None:
    found = [Found(f"ns=2;s={name}", (name,), built_in, False, True) for name, built_in in given_]
    tags = tomllib.loads(table_of_found(found))
    kept = [each for each in found if each.built_in != EXTENSION]
    wanted = [each.node.encode(errors="replace").decode() for each in kept]
    assert [tag["node"] for tag in tags.values()] == wanted
    if tags:
        settings = build(Settings, {"url": "opc.tcp://a", "tags": tags}, "device.x")
        assert not any(tag.writable for tag in settings.tags.values())


def test_a_line_says_the_type_and_what_could_be_done() -> None:
    found = [
        Found("ns=2;s=Speed", ("Speed",), DOUBLE, False, True),
        Found("ns=2;s=Wave", ("Wave",), DOUBLE, True),
        Found("ns=2;s=Recipe", ("Recipe",), EXTENSION),
        Found("ns=2;s=Any", ("Any",)),
    ]
    assert table_of_found(found).splitlines() == [
        'speed = { node = "ns=2;s=Speed" }  # Double; can be written: writable = true',
        'wave = { node = "ns=2;s=Wave" }  # Double[]',
        '# recipe = { node = "ns=2;s=Recipe" }  # ExtensionObject has no place here',
        'any = { node = "ns=2;s=Any" }  # type not known: write type = ...',
    ]

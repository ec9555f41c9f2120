"""Topics and ids. Tests named tck_id_... keep the specification's rule of that id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.sparkplug.gateway_desk import ADDRESS, GROUP, NODE
from transports.sparkplug.topics import Verb, alike, device_id, device_name, id_problems, state_topic

RESERVED = ["a+b", "a/b", "#", "", "a\0", "\n", "\ud800", "\uffff"]


def test_tck_id_topic_structure():
    assert ADDRESS.of_node(Verb.NBIRTH) == f"spBv1.0/{GROUP}/NBIRTH/{NODE}"
    assert ADDRESS.of_device(Verb.DBIRTH, "press") == f"spBv1.0/{GROUP}/DBIRTH/{NODE}/press"


def test_tck_id_topic_structure_namespace_a():
    assert {ADDRESS.of_node(verb).split("/")[0] for verb in Verb} == {"spBv1.0"}


@pytest.mark.parametrize("given_id", RESERVED)
def test_tck_id_topic_structure_namespace_valid_group_id(given_id):
    (problem,) = id_problems("uplink.scada.group", given_id)
    assert problem.path == "uplink.scada.group"
    assert "must not" in problem.cure


def test_tck_id_topic_structure_namespace_valid_edge_node_id():
    assert not list(id_problems("node", "Gärwerk 7 $ % é 測"))
    assert list(id_problems("node", "x" * 20_001))


@pytest.mark.parametrize("name", [*RESERVED, "line/3", "50 % + x", "%2F", "%"])
def test_tck_id_topic_structure_namespace_valid_device_id(name):
    assert not list(id_problems("device", device_id(name)))
    assert device_name(device_id(name)) == name


@given(st.text(st.characters()), st.text(st.characters()))
def test_tck_id_topic_structure_namespace_unique_device_id(one, other):
    assert (device_id(one) == device_id(other)) == (one == other)
    assert device_name(device_id(one)) == one


@pytest.mark.parametrize("verb", [Verb.DBIRTH, Verb.DDEATH, Verb.DDATA, Verb.DCMD])
def test_tck_id_topic_structure_namespace_device_id_associated_message_types(verb):
    assert ADDRESS.of_device(verb, "press").split("/")[4:] == ["press"]


@pytest.mark.parametrize("verb", [Verb.NBIRTH, Verb.NDEATH, Verb.NDATA, Verb.NCMD])
def test_tck_id_topic_structure_namespace_device_id_non_associated_message_types(verb):
    assert len(ADDRESS.of_node(verb).split("/")) == 4


def test_tck_id_host_topic_phid_birth_topic():
    assert state_topic("scada") == "spBv1.0/STATE/scada"


def test_tck_id_topics_ncmd_topic():
    assert ADDRESS.command(f"spBv1.0/{GROUP}/NCMD/{NODE}") == (Verb.NCMD, "")


def test_tck_id_topics_dcmd_topic():
    assert ADDRESS.command(f"spBv1.0/{GROUP}/DCMD/{NODE}/line%2F3") == (Verb.DCMD, "line/3")


@pytest.mark.parametrize(
    "topic",
    [
        f"spBv1.0/{GROUP}/NCMD/other",
        f"spBv1.0/{GROUP}/NCMD/{NODE}/press",
        f"spBv1.0/{GROUP}/DCMD/{NODE}",
        f"spBv1.0/{GROUP}/DCMD/{NODE}/",
        f"spBv1.0/{GROUP}/DCMD/{NODE}/a/b",
        f"spBv1.0/{GROUP}/DCMD/{NODE}/%70ress",  # press, in another spelling than the server may have rules for
        f"spBv1.0/{GROUP}/DCMD/{NODE}/%FF",
        f"spBv1.0/{GROUP}/DDATA/{NODE}/press",
        f"spAv1.0/{GROUP}/NCMD/{NODE}",
        "",
    ],
)
def test_what_is_addressed_to_nobody_here_is_no_command(topic):
    assert ADDRESS.command(topic) is None


@pytest.mark.parametrize("names", [["Press", "press"], ["a", "b", "A"]])
def test_tck_id_case_sensitivity_sparkplug_ids(names):
    assert alike(names) == [(names[0], names[-1])]


def test_tck_id_case_sensitivity_metric_names():
    assert alike(["force", "cycles", "force"]) == []

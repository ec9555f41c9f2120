"""Whatever is wrong at the far end is said once with its cure, tried gently, loses nothing, and heals when mended."""

from functools import partial

import pytest

from supervisors.records.folding import ALONE
from tests.troubles import https_ends, jetstream_ends, kafka_ends, mqtt_ends, sparkplug_ends
from tests.troubles.scene import Phase, Story, play
from tests.troubles.trouble import Where

KINDS = {
    "mqtt": ("mqtt", partial(mqtt_ends.troubles, protocol="3.1.1")),
    "mqtt-5": ("mqtt", partial(mqtt_ends.troubles, protocol="5")),
    "https": ("https", https_ends.troubles),
    "jetstream": ("jetstream", jetstream_ends.troubles),
    "kafka": ("kafka", kafka_ends.troubles),
    "sparkplug": ("sparkplug", sparkplug_ends.troubles),
}
CERTIFICATES = ("wrong-ca", "expired", "not-yet-valid", "wrong-host", "refused-client")
TABLE = {
    "mqtt": (*CERTIFICATES, "wrong-password", "revoked", "revoked-reading", "oversize"),
    "mqtt-5": (*CERTIFICATES, "wrong-password", "unknown", "revoked", "oversize"),
    "https": (*CERTIFICATES, "wrong-password", "unknown", "revoked", "oversize"),
    "jetstream": (*CERTIFICATES, "wrong-password", "unknown", "unknown-subject", "revoked", "oversize"),
    "kafka": (*CERTIFICATES, "unknown", "revoked", "oversize"),
    "sparkplug": (*CERTIFICATES, "wrong-password", "unheard-host"),
}
EVERY = [(kind, name) for kind, names in TABLE.items() for name in names]


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """The stories of a kind, lived through when the first of them is asked for."""
    known: dict[str, dict[str, Story]] = {}

    def of(kind):
        if kind not in known:
            room = tmp_path_factory.mktemp(kind)
            driver, make = KINDS[kind]
            with make(room) as troubles:
                known[kind] = play(room, driver, [each for each in troubles if each.name in TABLE[kind]])
        return known[kind]

    return of


@pytest.mark.parametrize(("kind", "trouble"), EVERY)
def test_a_trouble_is_said_once_tried_gently_loses_nothing_and_heals(stories, kind, trouble):
    story = stories(kind)[trouble]
    assert story.said, f"no event has {story.trouble.words}; there are {story.told}, {story.last!r}"
    assert story.status, f"the status has no {story.trouble.words}, but {story.last!r}"
    # Of records that are set aside the first, second, fourth, ... are told of, and what the far end said of each.
    assert len(story.said) <= (2 * ALONE if story.trouble.where is Where.GAP else 1), story.said
    assert story.rate <= 1.1 or not story.trouble.connections_a_try, (
        f"{story.attempts} attempts in {story.attempts_s:.1f} s"
    )
    assert story.phase is Phase.OVER, f"it is {story.phase.value}: {story.last!r}; missing {story.missing[:20]}"
    assert story.restarts == 0
    assert story.dead_letters or story.trouble.where is not Where.GAP

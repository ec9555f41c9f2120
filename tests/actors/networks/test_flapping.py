"""What an operator hears of an interface that comes and goes: enough, and not everything."""

from actors.networks import flapping
from actors.networks.flapping import MOST, WITHIN_S, Flapping, Word
from actors.networks.link import Link
from actors.networks.settings import Settings
from transports.interfaces.cards import Card


def test_a_bad_contact_for_days_is_told_in_a_few_lines_and_so_is_its_end() -> None:
    said: list[tuple[str, bool]] = []
    link = Link("ethernet", Settings(interface="eth0"), None, lambda text, is_bad: said.append((text, is_bad)))
    link.looked(Card("", 3), 0.0, first=True)
    changes = sum(link.looked(Card("eth0 has no carrier" if n % 2 else "", 3), n * 0.1) for n in range(1, 2001))
    assert changes == 2000, "those who use it hear of each"
    assert len(said) == MOST + 1
    assert "comes and goes" in said[-1][0]
    link.looked(Card("", 3), 200.0 + WITHIN_S - 1)
    assert len(said) == MOST + 1
    link.looked(Card("", 3), 200.0 + WITHIN_S)
    assert said[MOST + 1 :] == [("the link ethernet: eth0 carries steadily again", False)]
    link.looked(Card("eth0 has no carrier", 3), 300.0)
    assert said[-1] == ("the link ethernet: eth0 has no carrier", True)


def test_changes_that_are_far_apart_are_all_told() -> None:
    known, words = Flapping(), []
    for number in range(50):
        known, word = flapping.changed(known, number * WITHIN_S / (MOST - 1))
        words.append(word)
    assert words == [Word.CHANGE] * 50

"""Which requests were seen: against a model that never forgets anything, none that was seen ever passes as new."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from transports.errors import NotUnderstood
from transports.requests.nonces import Nonces, Now, Seen

MOST = 5


class Remembering(RuleBasedStateMachine):
    """The clock goes either way, the memory is small, and the process is restarted now and then."""

    @initialize()
    def begin(self) -> None:
        self.nonces, self.seen = Nonces(MOST), dict[tuple[str, str], int]()
        self.now_ns = 1000

    @rule(principal=st.sampled_from("ab"), nonce=st.integers(0, 30).map(str), ahead=st.integers(1, 100))
    def comes(self, principal: str, nonce: str, ahead: int) -> None:
        self.nonces.passed(Now(self.now_ns, self.now_ns))
        expires_ns = self.seen.get((principal, nonce), self.now_ns + ahead)
        is_new = (
            self.nonces.find(principal, nonce) is None
            and expires_ns > self.now_ns
            and expires_ns > self.nonces.floor_ns(principal)
        )
        assert not (is_new and (principal, nonce) in self.seen), "a request that was seen passes as new"
        if is_new:
            self.nonces.add(Seen(principal, nonce, expires_ns, "d"))
            self.seen[principal, nonce] = expires_ns

    @rule(by=st.integers(-200, 200))
    def clock_moves(self, by: int) -> None:
        self.now_ns = max(1, self.now_ns + by)

    @rule()
    def restarts(self) -> None:
        lines = list(self.nonces.lines())
        assert len(lines) <= 2 * (MOST + 1)
        self.nonces = Nonces(MOST)
        for line in lines:
            self.nonces.read(line.rstrip())


TestRemembering = Remembering.TestCase
TestRemembering.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_request_without_a_time_of_its_own_leaves_no_floor() -> None:
    nonces = Nonces()
    nonces.add(Seen("a", "1", 2000, "d", is_timed=False))
    nonces.passed(Now(3000, 3000))
    assert (nonces.find("a", "1"), nonces.floor_ns("a"), nonces.newest_ns("a")) == (None, 0, 0)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"p": "a"}', b'{"p": "a", "f": "x"}', b"\xff", b"[" * 5000])
def test_a_damaged_line_is_none(line: bytes) -> None:
    with pytest.raises(NotUnderstood):
        Nonces().read(line)


def test_the_request_that_expires_first_makes_room() -> None:
    nonces = Nonces(2)
    for nonce, expires_ns in (("late", 300), ("early", 100), ("middle", 200)):
        nonces.add(Seen("a", nonce, expires_ns, "d"))
    assert [nonces.find("a", nonce) is None for nonce in ("early", "middle", "late")] == [True, False, False]
    assert (nonces.floor_ns("a"), nonces.floor_ns("b"), nonces.newest_ns("a")) == (100, 0, 300)

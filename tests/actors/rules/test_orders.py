"""Commands on their way: in order for each device, told again until it is known what came of them, never for ever."""

from hypothesis import given
from hypothesis import strategies as st

from actors.rules.orders import AFTERWARDS_S, AGAIN_S, Orders
from transports.messages import Command


def command(key: str, until_s: float = 2.0) -> Command:
    return Command(key, "x", 1, until_s)


def told(orders: Orders, now: float, reached: bool = True) -> list[str]:
    keys = []
    for order in orders.to_tell(now):
        keys.append(order.command.key)
        orders.went(order, reached, now)
    return keys


def test_a_device_is_told_one_after_the_other_and_devices_do_not_wait_for_each_other() -> None:
    orders = Orders()
    for key, device in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        orders.add("r", device, command(key), 0.0)
    assert told(orders, 0.0) == ["a1", "b1"]
    assert told(orders, 0.0) == []
    assert orders.ended("a", "a1") is not None
    assert told(orders, 0.0) == ["a2"]
    assert told(orders, AGAIN_S) == ["a2", "b1"]


def test_what_never_reached_its_device_expires_with_its_time_and_the_next_one_goes() -> None:
    orders = Orders()
    orders.add("r", "a", command("then", 2.0), 0.0)
    orders.add("r", "a", command("else", 9.0), 0.1)
    assert told(orders, 0.0, reached=False) == ["then"]
    assert orders.given_up(2.0) == []
    (over,) = orders.given_up(2.1)
    assert (over.command.key, over.told) == ("then", False)
    assert told(orders, 2.1) == ["else"]


def test_what_reached_its_device_is_waited_for_longer() -> None:
    orders = Orders()
    orders.add("r", "a", command("k", 2.0), 0.0)
    assert told(orders, 0.0) == ["k"]
    assert told(orders, AGAIN_S, reached=False) == ["k"]
    assert orders.given_up(2.0 + AFTERWARDS_S) == []
    (over,) = orders.given_up(2.1 + AFTERWARDS_S)
    assert over.told
    assert orders.on_the_way() == []


def test_an_outcome_that_nobody_awaits_is_nothing() -> None:
    orders = Orders()
    orders.add("r", "a", command("k"), 0.0)
    assert orders.ended("a", "another") is None
    assert orders.ended("b", "k") is None
    assert orders.of("r") == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 20)), max_size=20), st.lists(st.booleans(), max_size=60))
def test_every_order_ends_and_those_of_a_device_in_their_order(
    given_: list[tuple[str, float]], answers: list[bool]
) -> None:
    orders, ended = Orders(), dict[str, list[int]](a=[], b=[])
    for number, (device, until_s) in enumerate(given_):
        orders.add("r", device, command(f"{number}", until_s), 0.0)
    replies = iter(answers)
    now, looks = 0.0, 0
    while orders.on_the_way():
        for order in list(orders.to_tell(now)):
            answered = next(replies, False)
            orders.went(order, answered, now)
            if answered:
                orders.ended(order.device, order.command.key)
                ended[order.device].append(int(order.command.key))
        for order in orders.given_up(now):
            assert now > order.command.until_s
        now, looks = max(orders.next_due(), now + 0.01), looks + 1
        assert looks < 20_000
    assert all(numbers == sorted(numbers) for numbers in ended.values())

"""A hundred thousand hostile messages: nothing crashes, nothing is executed, and memory stays as it was."""

import base64
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.actors.steering.played import KEY, SCADA, STRANGERS_KEY, House, wish
from transports.requests.envelope import SIGNATURE_BYTES
from transports.uplinks import Asked

MESSAGES = 100_000
AT_ONCE = 500
LETTERS = [*map(chr, range(32)), '"', "\\", "{", "}", "\ud800", "\u202e", "é", "𝄞", "../", "*", "\x7f"]
NUMBERS = [0, -1, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, 1e-320]
MEMBERS = ["id", "principal", "verb", "device", "tag", "value", "ttl", "read_back", "name", "last", "config", "why"]
MEMBERS += ["confirm_within", "dry_run", "gateway", "uplink", "expires", "nonce", "signed", "signature", ""]
VERBS = ["write", "restart", "stop", "start", "status", "ledger", "crashes", "reload", "shutdown", "WRITE", ""]


def hostile_value(dice: random.Random, depth: int = 0) -> Any:
    match dice.randrange(9):
        case 0:
            return dice.choice(NUMBERS)
        case 1:
            return dice.choice([None, True, False])
        case 2 if depth < 8:
            return [hostile_value(dice, depth + 1) for _ in range(dice.randrange(4))]
        case 3 if depth < 8:
            return {dice.choice(MEMBERS): hostile_value(dice, depth + 1) for _ in range(dice.randrange(4))}
        case 4:
            return dice.choice(["scada", "plant", "cloud", "press-1", "setpoint", "root", "spooler", *VERBS])
        case 5:
            return {"base64": base64.b64encode(dice.randbytes(5)).decode()[: dice.randrange(9)]}
        case 6:
            return "a" * dice.choice([0, 64, 65, 300, 5000])
    return "".join(dice.choices(LETTERS, k=dice.randrange(6)))


def soup(dice: random.Random, good: bytes) -> bytes:
    return dice.randbytes(dice.randrange(80))


def torn(dice: random.Random, good: bytes) -> bytes:
    return good[: dice.randrange(len(good))]


def flipped(dice: random.Random, good: bytes) -> bytes:
    """One bit of a good message; where JSON reads the same text, nothing was changed."""
    at = dice.randrange(len(good))
    return good[:at] + bytes([good[at] ^ (1 << dice.randrange(8))]) + good[at + 1 :]


def made_up(dice: random.Random, good: bytes) -> bytes:
    said = {dice.choice(MEMBERS): hostile_value(dice) for _ in range(dice.randrange(8))}
    said |= {"id": "x", "principal": "scada", "verb": dice.choice(VERBS)} if dice.random() < 0.7 else {}
    return json.dumps(said).encode()


def unsigned(dice: random.Random, good: bytes) -> bytes:
    text = json.loads(good)["signed"]
    return text.encode() if dice.random() < 0.5 else text.replace('"scada"', '"mallory"').encode()


def forged(dice: random.Random, good: bytes) -> bytes:
    said = json.loads(good)
    said["signature"] = base64.b64encode(dice.randbytes(dice.choice([0, 63, SIGNATURE_BYTES, 65]))).decode()
    return json.dumps(said).encode()


def doubled(dice: random.Random, good: bytes) -> bytes:
    """A member that is there twice, in the envelope or in what it carries."""
    return good.replace(b"{", b'{"signed": "{}", ', 1) if dice.random() < 0.5 else good[:-1] + b', "signature": ""}'


def deep(dice: random.Random, good: bytes) -> bytes:
    return dice.choice([b"[", b'{"a":']) * dice.choice([10, 1000, 10_000])


def huge(dice: random.Random, good: bytes) -> bytes:
    return b'{"id": "1", "verb": "status", "why": "' + b"x" * dice.choice([60_000, 70_000]) + b'"}'


def odd_numbers(dice: random.Random, good: bytes) -> bytes:
    number = dice.choice([b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"1" * 400, b"0x10", b"1e-400"])
    return (
        b'{"id": "1", "principal": "scada", "verb": "write", "device": "press-1", "tag": "setpoint", "value": %s}'
        % (number)
    )


KINDS: list[Callable[[random.Random, bytes], bytes]] = [soup, torn, flipped, made_up, unsigned, doubled, odd_numbers]
RARE = [forged, deep, huge]  # which cost more


def test_a_hundred_thousand_hostile_messages_execute_nothing_and_crash_nothing(tmp_path: Path) -> None:
    dice, house = random.Random(6), House(tmp_path, scada=SCADA)
    strangers = [house.sealed(STRANGERS_KEY, **wish(value=each)) for each in range(20)]
    expired = [house.sealed(KEY, **wish(expires=1_700_000_000 + each)) for each in range(20)]
    elsewhere = [house.sealed(KEY, **wish(gateway="another")) for _ in range(20)]
    good = [*strangers, *expired, *elsewhere]  # good in form alone
    for _ in range(MESSAGES // AT_ONCE):
        for _ in range(AT_ONCE):
            kind = dice.choice(RARE) if dice.random() < 0.01 else dice.choice(KINDS)
            body = dice.choice(good) if dice.random() < 0.02 else kind(dice, dice.choice(good))
            house.above.came.append(Asked(body, None))
        house.serve()
        house.clock.advance(0.01)
    reasons = Counter(told["reason"] for _, told in house.above.answers)
    assert set(reasons) >= {"malformed", "stranger", "unsigned", "signature", "expired", "elsewhere"}, reasons
    state = house.desk.state()
    assert (state["asked"], state["refused"], state["granted"]) == (MESSAGES, MESSAGES, 0)
    assert not house.mailbox.asks
    assert not house.mailbox.commands
    assert all(told["result"] == "refused" for _, told in house.above.answers)
    assert len(house.audit) <= 60, "a flood fills no audit"
    assert house.write()["result"] == "done", "and whoever may is heard all the same"


def test_what_a_principal_signs_does_no_more_than_it_may_however_odd_it_is(tmp_path: Path) -> None:
    dice, house = random.Random(7), House(tmp_path, scada={**SCADA, "max_per_minute": 600})
    for number in range(3000):
        odd = {dice.choice(MEMBERS): hostile_value(dice) for _ in range(dice.randrange(3))}
        try:
            body = house.sealed(KEY, **{**wish(value=number % 100), "nonce": f"{number}", **odd})
        except ValueError:  # half a character, which no bytes can be
            continue
        house.say(body)
        house.clock.advance(0.2)
    assert house.desk.state()["asked"] > 2500
    executed = list(house.executed.values())
    assert 100 < len(executed) < 3000
    assert {device for device, _ in house.mailbox.commands} == {"press-1"}
    assert all(each.tag.startswith("setpoint") for each in executed)
    assert all(0 <= each.value <= 80 for each in executed if each.tag == "setpoint")
    assert {wish.name for wish in house.operated} <= {"press-1", "press-2", "cloud"}

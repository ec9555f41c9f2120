"""docs/commands.md: its gateway, its messages and its tables are those of the code."""

import base64
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from actors.steering.policy import Reason
from supervisors.configuration.config import load
from tests.actors.steering.played import House, wish
from tests.docs.pages import blocks
from transports.requests.answers import Result
from transports.requests.envelope import Opened, opened
from transports.requests.request import Verb
from transports.requests.signing import new_pair

PAGE = "docs/commands.md"
KEY, PUBLIC = new_pair()


def test_the_gateway_on_the_page_is_good_and_limits_as_it_says(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "toml")
    (tmp_path / "plant.toml").write_text(text)
    gateway = load(tmp_path / "plant.toml")
    assert not gateway.broken
    assert not gateway.warnings
    table = {**tomllib.loads(text)["principal"]["scada"], "key": PUBLIC}
    done, limits = (json.loads(line) for line in blocks(PAGE, "json")[2].splitlines())
    house = House(tmp_path, scada=table)
    assert house.ask(key=KEY, **wish(id="r-1042", value=12.5)) == done
    assert house.ask(key=KEY, **wish(id="r-1043", value=95)) == limits


def test_a_request_signed_as_the_page_says_is_executed(tmp_path: Path) -> None:
    house = House(tmp_path, scada={**House(tmp_path).principals["scada"], "key": PUBLIC})
    request = json.loads(blocks(PAGE, "json")[0]) | {"expires": house.clock.utc_ns() / 1e9 + 60}
    place: dict[str, Any] = {"json": json, "base64": base64, "request": request}
    place["private_key"] = load_pem_private_key(KEY, password=None)
    (snippet,) = blocks(PAGE, "python")
    exec(snippet, place)
    assert [told["result"] for told in house.say(place["message"].encode())] == ["done"]
    assert isinstance(opened(blocks(PAGE, "json")[0].encode()), Opened)


def first_words(heading: str) -> set[str]:
    """All that stands as code in the first column of the table with that heading."""
    (table,) = re.findall(rf"\n\| {heading} \|.*?\n\n", Path(PAGE).read_text(), re.DOTALL)
    rows = [line.split("|")[1] for line in table.strip().splitlines()[2:]]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_every_verb_result_and_reason_stands_on_the_page_and_no_other() -> None:
    assert first_words("verb") == {str(verb) for verb in Verb}
    assert first_words("result") == {str(result) for result in Result}
    assert first_words("reason") == {str(reason) for reason in Reason}

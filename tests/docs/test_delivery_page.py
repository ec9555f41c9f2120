"""docs/delivery.md: the messages on it are what the payload formats say, byte for byte but for the blanks."""

import orjson

from tests.docs.pages import PAGES, blocks
from transports.payloads import OutRecord, json, json_columns, senml, thingsboard
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of
from transports.uplinks import Identity
from transports.uplinks._mqtt.client import status

PAGE = "docs/delivery.md"
TIME_NS = 1_767_225_600_000_000_000
TAGS = (Tag("force", DataType.FLOAT64, "kN"), Tag("cycles", DataType.UINT64))
SCANS = (
    Scan(TIME_NS, TAGS, [12.5, 7]),
    Scan(TIME_NS + 100_000_000, TAGS, [None, 8], [Quality.BAD_TIMEOUT, Quality.GOOD]),
)
RECORD = OutRecord("out", 3, 1842, batch_of("press-1", 90210, SCANS))
GAP = Gap("press-1", "buffer full", TIME_NS, TIME_NS + 60_000_000_000, 90212, 90811, 600)


def test_the_messages_on_the_page_are_what_is_sent() -> None:
    sent = [
        json.encode([RECORD], "press-line", many=False),
        json_columns.encode([RECORD], "press-line", many=False),
        senml.encode([RECORD], "press-line", many=False),
        thingsboard.encode([RECORD], "press-line", many=False),
        json.encode([OutRecord("out", 3, 1843, GAP)], "press-line", many=False),
        status("online", Identity("press-line", "cloud"), TIME_NS),
    ]
    assert [orjson.loads(block) for block in blocks(PAGE, "json")] == [orjson.loads(each) for each in sent]


def test_a_gap_is_the_same_in_both_forms_of_json() -> None:
    record = OutRecord("out", 3, 1843, GAP)
    assert json.encode([record], "g", many=False) == json_columns.encode([record], "g", many=False)


def test_the_page_gives_the_status_codes_their_numbers() -> None:
    assert all(f"{code:#x}" in PAGES[PAGE] for code in (0x4000_0000, 0x8000_0000, Quality.UNCERTAIN_SUB_NORMAL))

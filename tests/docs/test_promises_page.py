"""docs/promises.md: its commands are run elsewhere (operation.md), and the numbers in it are the defaults."""

from supervisors.configuration.tables import UplinkCommon
from tests.docs.pages import PAGES, blocks, commands
from transports.spool import Settings

PAGE = "docs/promises.md"


def test_each_command_of_the_page_is_one_that_is_run() -> None:
    run = [words for text in blocks("docs/operation.md", "sh") for words in commands(text)]
    asked = [words for text in blocks(PAGE, "sh") for words in commands(text)]
    assert asked, "there are some"
    assert all(words in run for words in asked)


def test_the_windows_and_times_on_the_page_are_the_defaults() -> None:
    spool = Settings()
    text = PAGES[PAGE]
    assert f'`sync = "{spool.sync_s * 1000:g}ms"` (default)' in text
    assert f"`sync_records = {spool.sync_records}` (default)" in text
    assert f"`keep_removed` ({spool.keep_removed_s / 86400:g} days)" in text
    assert f"(a file of {spool.segment_bytes >> 20} MiB)" in text
    assert not spool.strict


def test_every_key_that_the_page_names_is_one() -> None:
    for key in (
        "live_first",
        "max_messages_per_s",
        "backfill_messages_per_s",
        "max_attempts",
        "window_messages",
        "start",
    ):
        assert f"`{key}" in PAGES[PAGE]
        assert key in UplinkCommon.__dataclass_fields__

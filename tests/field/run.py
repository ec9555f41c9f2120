"""One campaign from beginning to end: a site in a room, the campaign over it, the verdict told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.field.campaign import Campaign, Say
from tests.field.site import Site
from tests.field.verdict import Verdict, judge, summary, told
from transports.simulators._bluez_bus import executable, private_bus


def run(room: Path, duration_s: float, seed: int, say: Say) -> Verdict:
    """Everything lies in `room`, an empty directory with a short path. The last thing said is the verdict's line."""
    say(f"seed {seed}, for {duration_s:g} s")
    with _bus(say) as bus:
        site = Site(room, bus)
        try:
            campaign = Campaign(site, duration_s, seed, say)
            campaign.run()
        finally:
            site.close()
    verdict = judge(site.expected, campaign.notes, campaign.output)
    for text in (
        *summary(site.expected, campaign.notes, campaign.output),
        *told(verdict, campaign.notes),
        verdict.line,
    ):
        say(text)
    return verdict


@contextmanager
def _bus(say: Say) -> Iterator[str]:
    """A private D-Bus, "" where there is no dbus-daemon."""
    if executable() is None:
        say("without ble: dbus-daemon is not installed (apt install dbus-daemon)")
        yield ""
    else:
        with private_bus() as bus:
            yield bus

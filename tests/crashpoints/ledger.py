"""The ledger of a spool that was found: read = delivered + waiting + gaps, for each producer and consumer.

What is lost in a segment waits, in the ledger, until its consumer has passed the segment (spool/accounts.py). So what
is here is never more than what waits, what is lost is read less delivered less what is here, and nothing waits
for a consumer that has had everything.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.crashpoints.found import Consumer, Found
from transports.spool import Account, Kind


def unbalanced(found: Found) -> Iterator[str]:
    """Accounts that do not add up, or say that less waits than what is here."""
    for account in found.accounts:
        if account.read != account.delivered + account.waiting + account.gaps:
            yield f"the ledger does not add up: {account}"
        if min(account.read, account.delivered, account.waiting, account.gaps) < 0:
            yield f"the ledger is negative: {account}"
        here = _here(found.consumers[account.topic, account.consumer])[account.producer]
        if account.waiting < here:
            yield f"{here} samples are here, and the ledger says that fewer wait: {account}"


def lost(found: Found, consumer: Consumer) -> Counter[str]:
    """What the ledger says a consumer will never get, by producer."""
    here = _here(consumer)
    accounts = [each for each in found.accounts if (each.topic, each.consumer) == consumer.reader]
    return Counter({each.producer: each.read - each.delivered - here[each.producer] for each in accounts})


def still_waiting(accounts: Sequence[Account]) -> Iterator[str]:
    """Whatever waits, though every consumer has had everything."""
    yield from (f"everything was had, and some of it waits: {each}" for each in accounts if each.waiting)


def _here(consumer: Consumer) -> Counter[str]:
    samples: Counter[str] = Counter()
    for record in consumer.records:
        samples[record.producer] += record.samples if record.kind is not Kind.GAP else 0
    return samples

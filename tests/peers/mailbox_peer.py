"""An actor's mailbox in a process of its own, that does what it is told: the far end of the mailbox tests.

Its orders are `Operate` messages; an ask is answered with
    echo     the name that came with it          pid      its process
    raise    an error                            silence  nothing, ever
and a tell of `back` is answered by a tell. With `--publish N` it also publishes N numbered messages on its live feed,
again whenever it is told `publish`.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import zmq
from lifeline import die_with_parent

from transports.clock import MachineClock
from transports.feed import Publisher
from transports.mailbox import Letter, Mailbox
from transports.messages import Operate


class Refused(Exception):
    """What `raise` raises."""


def _obey(mailbox: Mailbox, letter: Letter) -> Any:
    order = letter.message
    assert isinstance(order, Operate)
    match order.verb:
        case "echo":
            return order.name
        case "pid":
            return os.getpid()
        case "raise":
            raise Refused(order.name)
        case "back":
            mailbox.back(letter.sender, Operate("answer", order.name))
    return None


def _publish(publisher: Publisher, count: int) -> None:
    for number in range(count):
        publisher.publish(b"%d" % number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--publish", type=int, default=0)
    options = parser.parse_args()
    die_with_parent(options.parent)
    mailbox, context = Mailbox(), zmq.Context[zmq.Socket[bytes]]()
    mailbox.open(options.run_dir, options.name, MachineClock(), context)
    publisher = Publisher(context, options.run_dir, options.name, session=os.getpid())
    print(os.getpid(), flush=True)
    while True:
        envelope = mailbox.get()
        letter = envelope.message
        if not isinstance(letter, Letter):
            letter.what()
            continue
        assert isinstance(letter.message, Operate)
        if letter.message.verb == "publish":
            _publish(publisher, options.publish)
        if letter.message.verb == "silence":
            continue
        try:
            value = _obey(mailbox, letter)
        except Refused:
            assert envelope.reply_to is not None
            envelope.reply_to.set_exception()
        else:
            if envelope.reply_to is not None:
                envelope.reply_to.set(value)


if __name__ == "__main__":
    main()

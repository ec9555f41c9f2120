"""A mailbox in the test's own thread: what arrives is collected, until it is as it should be."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq

from transports.clock import MachineClock
from transports.mailbox import Call, Letter, Mailbox
from transports.messages import Message

WITHIN_S = 30.0  # generous: a slow machine is no bug
LOOK_S = 0.05


class Desk:
    """`letters` are the messages that came, `answers` what asks brought, `failures` the errors of those that failed."""

    def __init__(self, run_dir: Path, name: str = "desk") -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.mailbox, self.clock = Mailbox(), MachineClock()
        self.mailbox.open(run_dir, name, self.clock, self.context)
        self.letters: list[Letter] = []
        self.answers: list[Any] = []
        self.failures: list[Exception] = []

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.mailbox.close()
        self.context.destroy(linger=0)

    @property
    def messages(self) -> list[Message]:
        return [letter.message for letter in self.letters]

    def ask(self, to: str, message: Message, timeout_s: float = WITHIN_S) -> None:
        self.mailbox.ask(to, message, timeout_s, self.answers.append, self.failures.append)

    def asked(self, to: str, message: Message) -> Any:
        """Ask, and wait for the one answer or failure of it."""
        before = len(self.answers) + len(self.failures)
        self.ask(to, message)
        self.until(lambda: len(self.answers) + len(self.failures) > before)
        if self.failures:
            raise self.failures.pop()
        return self.answers.pop()

    def after(self, seconds: float, what: Callable[[], None]) -> Any:
        return self.mailbox.at(self.clock.now() + seconds, what)

    def until(self, condition: Callable[[], Any], within_s: float = WITHIN_S) -> None:
        """Handle what comes until the condition holds; an AssertionError tells what came instead."""
        alarm = self.after(within_s, self._overdue)
        while not condition():
            look_again = self.after(LOOK_S, lambda: None)  # a condition may come true without a message
            self.step()
            look_again.cancel()
        alarm.cancel()

    def step(self) -> None:
        """Handle the next thing, whatever it is."""
        envelope = self.mailbox.get()
        match envelope.message:
            case Call(what):
                what()
            case Letter():
                self.letters.append(envelope.message)
                if envelope.reply_to is not None:
                    envelope.reply_to.set("noted")

    def _overdue(self) -> None:
        raise AssertionError(f"it did not happen; letters: {self.letters}, failures: {self.failures}")

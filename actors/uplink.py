"""An uplink: what waits in the spool goes to the far end, and is committed when the far end has it.

    spooler ──> Intake ──> batching ──> encode ──> window, rates ──> uplink.send ──> far end
       ^         lanes                                                                  │
       └── Commit, up to where everything is taken <──────── window <── taken ──────────┘

It holds a bounded window and never more: on a lost connection everything in it is forgotten and fetched again.
At-least-once, in order per source within each lane; each record carries its id, so the reader can tell repetitions.
After an outage fresh records go first, and the backlog meanwhile, paced and marked as historical (lanes.py, pacing.py).
A record that the far end does not bear is set aside (poison.py, dead_letters.py). Requests that come over it are judged
and executed in actors/steering.

Here is the connection: made, driven from the actor's own loop, given up, made again.
"""

import logging
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.delivering.dead_letters import DeadLetters
from actors.delivering.intake import Intake
from actors.delivering.outward import NO_FORM, Form, Outward, Tally
from actors.delivering.passing import Grade, limit_of
from actors.delivering.uplink_settings import Work
from actors.networks.wayfinding import Wayfinder
from actors.steering.policy import Here
from actors.steering.steering import Steered, Steering
from transports import catalog
from transports.backoff import Backoff
from transports.building import build
from transports.errors import Down, UplinkDown
from transports.interfaces.servers import servers_of
from transports.mailbox import PeerDown, PeerUp, Timer
from transports.messages import Message, Notice, Way
from transports.names import ROOT
from transports.uplinks import Gathering, Identity, Limited, Telling, Uplink

__all__ = ["UplinkActor", "Work"]

log = logging.getLogger("holdfast.uplink")
COMMIT_S = 0.1  # acknowledgements of this long are committed together, but no more than a window of them
SAID_MOST = 64
CALM_S = 5.0  # a connection that stands so long with nothing to send is as good as one that took a message


class UplinkActor(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, gateway: str, work: Work) -> None:
        super().__init__(place, fate)
        self._work, self._gateway = work, gateway
        self._tally = Tally()
        self._uplink: Uplink | None = None
        self._watched: tuple[int, bool] = (-1, False)
        self._step_timer: Timer | None = None
        self._connect_timer: Timer | None = None
        self._commit_timer: Timer | None = None
        self._batch_timer: Timer | None = None
        self._attempts = 0
        self._calm_at = float("inf")
        self._said_lost: set[str] = set()  # why, since it was connected: of several servers each has its reason
        self._telling: Telling | None = None
        self._gathering: Gathering | None = None
        self._standing: Mapping[str, Any] = {}

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        path, work, place = f"uplink.{self.place.name}", self._work, self.place
        self._module = catalog.load(catalog.UPLINKS, work.type, f"{path}.type")
        self._settings = build(self._module.Settings, work.settings, path)
        work = self._work = _within(work, self._settings)
        form = NO_FORM if getattr(self._module, "OWN_FORM", False) else _form(work.payload, f"{path}.payload")
        self._identity = Identity(self._gateway, place.name, Path(work.state_dir) if work.state_dir else None)
        self._backoff = Backoff(work.retry_first_s, ceiling_s=work.retry_ceiling_s)
        self._letters = DeadLetters(
            self.mailbox, place.clock, place.name, place.session, self._letters_kept, self._warn
        )
        self._outward = Outward(work, self._gateway, form, place.clock, self._tally, self._letters)
        self._intake = Intake(self.mailbox, place, work, self._outward)
        steered = Steered(work.principals, Path(work.state_dir), Path(work.crashes))
        here = Here(self._gateway, place.name)
        self._steering = Steering(self.mailbox, place.clock, here, steered, self._step_soon)
        servers = servers_of(self._settings)
        self._path = Wayfinder(self.mailbox, place.clock, work.links, servers, self._take_way)
        self._path.begin()
        if self._path.way is not None:  # else it is being asked for
            self._connect_in(0.0)

    def end(self) -> None:
        self._steering.end()
        if self._uplink is not None:
            self._uplink.close(farewell=True)
            self._outward.settle(self._uplink)
        self._commit()

    def state(self) -> Mapping[str, Any]:
        departures, probation = self._outward.departures, self._outward.probation
        if self._telling is not None:
            self._standing = self._telling.standing()
        return {
            **asdict(self._tally),
            "type": self._work.type,
            "in_flight": departures.in_flight,
            "fetched": departures.uncommitted,
            **self._intake.state(),
            "dead_letters": self._letters.count,
            "probation": probation.is_on,
            "paced": self._outward.free_at is not None,
            "link": self._path.way.link if self._path.way is not None else "",
            **self._standing,
            **self._steering.state(),
        }

    def on_message(self, sender: str, message: Message) -> Any:
        if self._path.hear(message) or self._steering.hear(sender, message):
            return None
        if self._intake.hear(message):
            self._go_on()
            return None
        if not self._letters.hear(message) and not isinstance(message, (PeerUp, PeerDown)):
            return NotImplemented
        return None

    # --- the connection ----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            self._uplink = self._module.connect(self._settings, self._identity)
        except UplinkDown as down:
            self._lost(str(down))
            return
        self._telling = self._uplink if isinstance(self._uplink, Telling) else None
        self._gathering = self._uplink if isinstance(self._uplink, Gathering) else None
        self._steering.meet(self._uplink)
        self._step()

    def _step(self) -> None:
        uplink, now = self._uplink, self.place.clock.now()
        if uplink is None:
            return
        try:
            uplink.step(now)
            self._pass_on_notices()
            if self._outward.settle(uplink):
                self._path.fared(True)
                if not self._outward.probation.is_on:  # a witness passes where the next message may not
                    self._recovered()
            elif self._tally.connected and now >= self._calm_at and not self._outward.departures.uncommitted:
                self._recovered()
            if uplink.ready() and not self._tally.connected:
                self._connected()
            if self._tally.connected:
                self._intake.look()
                self._outward.send(uplink, self._gathering)
                self._steering.serve()
            self._watch(uplink)
        except UplinkDown as down:
            self._lost(str(down))
        else:
            self._keep_up()

    def _step_soon(self) -> None:
        self.mailbox.at(self.place.clock.now(), self._step)

    def _connected(self) -> None:
        tally = self._tally
        tally.connected = True
        self._calm_at = self.place.clock.now() + CALM_S
        tally.connections += 1
        self._attempts = self._outward.probation.hits
        log.info("connected")
        self._outward.connected()
        self._intake.open()

    def _recovered(self) -> None:
        """What ended the last connection does not end this one: a message was taken, or none waits to be."""
        if self._tally.last_error:
            self._say(Notice("connected again", is_bad=False))
            self._tally.last_error = ""
        self._said_lost.clear()

    def _lost(self, why: str) -> None:
        tally = self._tally
        if why not in self._said_lost:
            self._warn(why)
        if len(self._said_lost) < SAID_MOST:
            self._said_lost.add(why)
        tally.connected, tally.last_error = False, why
        self._hang_up()
        self._path.fared(False)
        delay_s = self._backoff.delay_s(self._attempts, random.random())
        self._attempts += 1
        self._connect_in(delay_s)

    def _connect_in(self, delay_s: float) -> None:
        if self._connect_timer is not None:
            self._connect_timer.cancel()
        self._connect_timer = self.mailbox.at(self.place.clock.now() + delay_s, self._connect)

    def _take_way(self, way: Way) -> None:
        """Another link is to be used, or other records may pass over it: the connection is made anew."""
        self._hang_up(farewell=not way.at_once)
        self._tally.connected = False
        self._identity = replace(self._identity, interface=way.interface)
        limit = limit_of(way.may_pass)
        self._intake.restrict(limit)
        self._attempts = 0
        if limit is not Grade.NOTHING:
            self._connect_in(0.0)
            return
        self._tally.last_error = way.why
        if self._connect_timer is not None:
            self._connect_timer.cancel()

    def _warn(self, what: str) -> None:
        """Say it here and to the operator."""
        log.warning("%s", what)
        self._say(Notice(what))

    def _say(self, notice: Notice) -> None:
        with suppress(Down):  # whoever sees to the root hears of it elsewhere; it stands in the log, and in the status
            self.mailbox.tell(ROOT, notice)

    def _pass_on_notices(self) -> None:
        for notice in self._telling.notices() if self._telling is not None else ():
            self._warn(notice)

    def _hang_up(self, farewell: bool = False) -> None:
        uplink, self._uplink = self._uplink, None
        if uplink is None:
            return
        self._steering.meet(None)
        self._pass_on_notices()
        if self._telling is not None:
            self._standing, self._telling = self._telling.standing(), None
        if farewell:
            uplink.close(farewell=True)
        self._outward.settle(uplink)  # what was acknowledged before the end need not be repeated
        self._commit()
        self.mailbox.forget(self._watched[0])
        self._watched = -1, False
        if self._step_timer is not None:
            self._step_timer.cancel()
        self._outward.lost()
        self._intake.close()
        uplink.close(farewell=False)

    def _watch(self, uplink: Uplink) -> None:
        wanted = uplink.fileno(), uplink.wants_write()
        if wanted != self._watched:
            self.mailbox.forget(self._watched[0])
            if wanted[0] >= 0:
                self.mailbox.when_readable(wanted[0], self._step, writable=wanted[1])
            self._watched = wanted
        if self._step_timer is not None:
            self._step_timer.cancel()
        next_step, free_at = uplink.next_step(self.place.clock.now()), self._outward.free_at
        self._step_timer = self.mailbox.at(next_step if free_at is None else min(next_step, free_at), self._step)

    # --- records through it ------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Something came from the spool, or has waited long enough for company."""
        due = self._outward.departures.next_due()
        if due is not None and self._batch_timer is None:
            self._batch_timer = self.mailbox.at(due, self._company_is_due)
        self._step()

    def _company_is_due(self) -> None:
        self._batch_timer = None
        self._outward.departures.due(self.place.clock.now())
        self._go_on()

    def _letters_kept(self) -> None:
        self._outward.kept()
        self._step()

    def _keep_up(self) -> None:
        """Ask the spool for more, and tell it what is done, a little later: a crash repeats no more than that."""
        if self._tally.connected:
            self._intake.pump()
        if self._outward.arrived >= self._work.window_messages:
            self._commit()
        elif self._commit_timer is None and self._intake.moved:
            self._commit_timer = self.mailbox.at(self.place.clock.now() + COMMIT_S, self._commit)

    def _commit(self) -> None:
        if self._commit_timer is not None:
            self._commit_timer.cancel()
            self._commit_timer = None
        self._intake.commit()


def _within(work: Work, settings: object) -> Work:
    """With the rates of the far end, where none are written."""
    if not isinstance(settings, Limited):
        return work
    return replace(
        work,
        max_messages_per_s=work.max_messages_per_s or settings.messages_per_s,
        max_bytes_per_s=work.max_bytes_per_s or settings.bytes_per_s,
    )


def _form(payload: str, path: str) -> Form:
    """The form of that name. Raises SettingsError when there is none."""
    module = catalog.load(catalog.PAYLOADS, payload, path)
    return Form(module.encode, module.CONTENT_TYPE)

"""What devices post: each request is judged, understood, handed on, and answered when its readings are durable.

Request ──refusal: 401, 404, 405, 415──> or ──document, scans: 400, 403, 413──> inbox ──read, kept──> 200
                                                                                └── not in time ──> 503
"""

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transports.clock import Clock
from transports.errors import NotUnderstood, Problem, SettingsError
from transports.http.server import Reply, Request
from transports.json_paths import document, shown
from transports.json_tags import JsonTag, JsonTags
from transports.json_times import TimeSettings
from transports.loop_thread import Inbox
from transports.samples import Scan
from transports.settings import Secret, duration, setting, size
from transports.things import Things
from transports.topic_patterns import TopicPattern, filled, pattern_problems

_LINES = "application/x-ndjson"
_TYPES = ("application/json", _LINES, "text/json", "")
_KEY_MOST = 255
_AGAIN = {"Retry-After": "5"}


@dataclass(frozen=True, kw_only=True)
class PostSettings:
    """Who may post, and what the documents mean."""

    path: str = setting("/ingest", help="where to post to; {name} stands for a level", example="/ingest/{thing}")
    token: Secret | None = setting(None, help="what devices must send as Authorization: Bearer ...")
    anybody: bool = setting(False, help="true: without a token whoever reaches the port may post")
    tags: dict[str, JsonTag] = setting(help="tags by name", example='{ temperature = { path = "$.t" } }')
    time: TimeSettings | None = setting(None, help="where a document says when it was taken")
    things: tuple[str, ...] = setting((), help="things that are there for certain: known before they first post")
    max_things: int = setting(500, ge=1, le=10_000, help="different things that are taken in; more are answered 403")
    max_body_bytes: int = size("256KiB", le=2**24, help="a larger body is answered 413")
    max_readings: int = setting(1000, ge=1, le=100_000, help="objects in one body; more are answered 413")
    waiting: int = setting(1000, ge=1, le=100_000, help="requests that wait to be read; more are answered 503")
    durable_within_s: float = duration("10s", help="how long a request waits to become durable; then 503", le=300)
    keys: int = setting(10_000, ge=1, le=1_000_000, help="values of Idempotency-Key that are remembered")

    def post_problems(self, path: str) -> Iterator[Problem]:
        """No tags, and paths that are none."""
        if not self.tags:
            yield Problem(f"{path}.tags", "{}", "must name at least one tag")
        if self.token is not None and self.anybody:
            yield Problem(f"{path}.anybody", "True", "contradicts the token; leave one of the two out")
        if not self.path.startswith("/") or any(mark in self.path for mark in "+#?"):
            yield Problem(f"{path}.path", repr(self.path), 'must begin with "/", and have no +, # or ?')
            return
        mistakes = list(pattern_problems(f"{path}.path", self.path))
        yield from mistakes
        if not mistakes and self.things and len(TopicPattern(self.path).names) != 1:
            yield Problem(f"{path}.things", repr(list(self.things)), "need a path with one level such as {thing}")


@dataclass(frozen=True, slots=True)
class Posted:
    """The readings of one request, and who waits for them to be durable."""

    scans: Sequence[Scan]
    durable: "asyncio.Future[None]"


class Posts:
    """Answers requests, in the loop; understood ones are put into the inbox."""

    def __init__(self, settings: PostSettings, inbox: Inbox[Posted], clock: Clock) -> None:
        self._settings, self._inbox, self._clock = settings, inbox, clock
        self._pattern, self._reader = TopicPattern(settings.path), JsonTags(settings.tags, settings.time)
        self._prefix = "".join(f"{{{name}}}." for name in self._pattern.names)
        self._keys: OrderedDict[str, tuple[bytes, asyncio.Future[None]]] = OrderedDict()
        self.things = Things(settings.max_things)
        self.rejected, self.last_rejected = 0, ""
        names = self._pattern.names
        for levels in [{names[0]: thing} for thing in settings.things] if names else [{}]:
            self.things.admit("", self._reader, filled(self._prefix, levels))

    def refusal(self, head: Request) -> Reply | None:
        """What is wrong with a request already by its head."""
        kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self._may_post(head):
            challenge = {"WWW-Authenticate": 'Bearer realm="holdfast"'}
            return _error(401, "the header Authorization: Bearer TOKEN is missing or has another token", challenge)
        if self._pattern.match(head.path) is None:
            return _error(404, f"nothing is here; post to {self._settings.path}")
        if head.method != "POST":
            return _error(405, f"{head.method[:20]} is not for this; post to it", {"Allow": "POST"})
        if kind not in _TYPES:
            return _error(415, f"the Content-Type is {kind[:60]!r}; send application/json or {_LINES}")
        if head.headers.get("content-encoding", "identity").lower() != "identity":
            return _error(415, "the body is compressed; send it plain")
        if len(head.headers.get("idempotency-key", "")) > _KEY_MOST:
            return _error(400, f"the Idempotency-Key is longer than {_KEY_MOST} characters")
        return None

    def _may_post(self, head: Request) -> bool:
        if self._settings.token is None:
            return True
        scheme, _, token = head.headers.get("authorization", "").partition(" ")
        try:
            wanted = self._settings.token.reveal()
        except SettingsError:
            return False
        given = token.strip().encode("latin-1")
        return hmac.compare_digest(given, wanted.encode()) and scheme.lower() == "bearer" and bool(wanted)

    async def answer(self, head: Request, body: bytes) -> Reply:
        """The answer to a request that has no refusal."""
        key = head.headers.get("idempotency-key", "")
        if key and (known := self._keys.get(f"{head.path} {key}")):
            if known[0] != hashlib.sha256(body).digest():
                return _error(422, "this Idempotency-Key came before with another body")
            return await self._when_durable(known[1], {"kept": 0, "known": True})
        try:
            scans, without = self._scans(head, body)
        except NotUnderstood as wrong:
            self.rejected += 1
            self.last_rejected = shown(body)
            return _error(400, str(wrong))
        if len(scans) + without > self._settings.max_readings:
            return _error(
                413, f"{len(scans) + without} readings; at most {self._settings.max_readings} are taken at once"
            )
        levels = self._pattern.match(head.path) or {}
        if not self.things.admit("", self._reader, filled(self._prefix, levels)):
            return _error(403, f"there are {self._settings.max_things} other things already; see max_things")
        posted = Posted(scans, asyncio.get_running_loop().create_future())
        if not self._inbox.put(posted):
            return _error(503, "too many requests wait already", _AGAIN)
        if key:
            self._remember(f"{head.path} {key}", body, posted.durable)
        return await self._when_durable(posted.durable, {"kept": len(scans), "without": without})

    async def _when_durable(self, durable: "asyncio.Future[None]", said: Mapping[str, object]) -> Reply:
        done, _ = await asyncio.wait({durable}, timeout=self._settings.durable_within_s)
        if not done:
            return _error(503, "not durable yet; send it again", _AGAIN)
        return Reply(200, said)

    def _remember(self, key: str, body: bytes, durable: "asyncio.Future[None]") -> None:
        self._keys[key] = (hashlib.sha256(body).digest(), durable)
        while len(self._keys) > self._settings.keys:
            self._keys.popitem(last=False)

    def _scans(self, head: Request, body: bytes) -> tuple[list[Scan], int]:
        """The readings of a body, and how many objects had none of our tags. Raises NotUnderstood."""
        kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        documents = _lines(body) if kind == _LINES else _objects(document(body))
        prefix, now_ns = filled(self._prefix, self._pattern.match(head.path) or {}), self._clock.utc_ns()
        read = [self._reader.scan(each, now_ns, prefix) for each in documents]
        scans = [scan for scan in read if scan is not None]
        if not scans:
            paths = ", ".join(tag.path for tag in self._settings.tags.values())
            raise NotUnderstood(f"nothing is at any of the paths {paths[:200]}")
        return scans, len(read) - len(scans)


def _error(status: int, why: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, {"error": why}, headers or {})


def _objects(said: Any) -> list[Any]:
    objects = said if isinstance(said, list) else [said]
    for at, each in enumerate(objects):
        if not isinstance(each, dict):
            raise NotUnderstood(f"reading {at + 1} of {len(objects)} is no object such as {{...}}")
    return objects


def _lines(body: bytes) -> list[Any]:
    return [each for line in body.split(b"\n") if line.strip() for each in _objects(document(line))]

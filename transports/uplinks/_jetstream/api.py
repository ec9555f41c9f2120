"""Questions to JetStream, in the loop: about a stream, for a new stream, for the last message of a subject.

Documents in JSON at $JS.API, as docs.nats.io has them under "NATS API reference".
"""

import base64
from collections.abc import Mapping
from typing import Any

import nats.errors
import orjson
from nats.aio.client import Client

from transports.uplinks._jetstream.words import Held, late, nobody


class Api:
    """Of one connection. What cannot be asked is Held; what is answered may have an `error`."""

    def __init__(self, client: Client, domain: str, timeout_s: float) -> None:
        self._client, self._timeout_s = client, timeout_s
        self._prefix = f"$JS.{domain}.API" if domain else "$JS.API"

    async def stream(self, name: str) -> Mapping[str, Any]:
        """Its configuration and its state."""
        return await self._ask(f"STREAM.INFO.{name}", {})

    async def create(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A new stream, or the one that is so already; likewise answered."""
        return await self._ask(f"STREAM.CREATE.{name}", body)

    async def last(self, name: str, subject: str) -> Mapping[str, Any]:
        """The last message of a subject; see `headers_of`."""
        return await self._ask(f"STREAM.MSG.GET.{name}", {"last_by_subj": subject})

    async def _ask(self, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        subject = f"{self._prefix}.{what}"
        text = orjson.dumps(body) if body else b""
        return await request(self._client, subject, text, {}, self._timeout_s, subject)


async def request(
    client: Client, subject: str, body: bytes, headers: Mapping[str, str], timeout_s: float, where: str
) -> Mapping[str, Any]:
    """The answer, a document; `where` is for what is raised: Held, when there is none."""
    try:
        answer = await client.request(subject, body, timeout=timeout_s, headers=dict(headers) or None)
    except nats.errors.NoRespondersError:
        raise nobody(where, subject.startswith("$JS.")) from None
    except nats.errors.TimeoutError:
        raise late(where, timeout_s) from None
    except nats.errors.Error as wrong:
        raise Held(f"{where}: {wrong}") from wrong
    return document(answer.data)


def document(text: bytes) -> Mapping[str, Any]:
    """What an answer says. Raises Held for one that is no document."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Held("what answers there is not JetStream; look at stream, subject and domain")
    return found


def header_of(answer: Mapping[str, Any], name: str) -> str:
    """A header of the message in the answer to MSG.GET; "" for none."""
    message = answer.get("message")
    text = base64.b64decode(message.get("hdrs", "")).decode("utf-8", "replace") if isinstance(message, dict) else ""
    for line in text.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    return ""

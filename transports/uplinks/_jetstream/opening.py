"""What must be so before a stream gets messages, in the loop: it is there, what was stuck passes, no doubt is left."""

import asyncio
from collections.abc import Mapping

from nats.aio.client import Client

from transports.errors import UplinkRefused
from transports.uplinks._jetstream.api import Api, header_of, request
from transports.uplinks._jetstream.message import MSG_ID, Parcel
from transports.uplinks._jetstream.past import Past
from transports.uplinks._jetstream.settings import Settings
from transports.uplinks._jetstream.stream import Stream, creation, objection, read
from transports.uplinks._jetstream.subjects import pattern
from transports.uplinks._jetstream.words import STREAM_NOT_FOUND, Held, verdict


async def usable_stream(api: Api, settings: Settings, fields: Mapping[str, str], server: str) -> Stream:
    """The stream, which is made if it must be. Raises UplinkDown when it cannot have our messages."""
    name, where = settings.stream, f"{server}, stream {settings.stream}"
    answer = await api.stream(name)
    error = answer.get("error") or {}
    if error.get("err_code") == STREAM_NOT_FOUND and settings.create_stream:
        answer = await api.create(name, creation(name, pattern(settings.subject, {}), settings.create_stream))
    wrong = verdict(answer, where)
    if wrong is not None:
        raise wrong
    try:
        stream = read(answer)
    except (KeyError, TypeError, ValueError) as unreadable:
        raise Held(f"{where}: what answers there is not JetStream") from unreadable
    against = objection(stream, pattern(settings.subject, fields))
    if against:
        raise Held(f"{where}: {against}")
    return stream


async def pass_stuck(client: Client, past: Past, stream: str, timeout_s: float) -> None:
    """Send what all others wait for. Raises Held while it does not pass."""
    stuck, past.stuck = past.stuck, None  # if the connection dies of it, others are to have their turn
    if stuck is None:
        return
    try:
        await _sent_again(client, past, stuck, stream, timeout_s)
    except Held:
        past.stuck = stuck
        raise


async def settle_doubts(client: Client, api: Api, past: Past, stream: str, timeout_s: float) -> None:
    """Have all messages without an answer in the stream, once. Raises Held when that cannot be done now.

    One that is the last of its subject has been stored; the others are sent again as they were, for the stream knows
    them by their ids, if it has them after all: a new leader may not have come to the end of what it has.
    """
    doubtful: dict[str, list[Parcel]] = {}
    for parcel in past.doubtful:
        if not past.known.has_all(parcel.places):
            doubtful.setdefault(parcel.subject, []).append(parcel)
    last = await asyncio.gather(*(api.last(stream, subject) for subject in doubtful))
    past.doubtful = []  # likewise
    for answer, parcels in zip(last, doubtful.values(), strict=True):
        last_id = header_of(answer, MSG_ID)
        for parcel in parcels:
            if parcel.msg_id == last_id:
                past.known.add(parcel.places)
            else:
                await _sent_again(client, past, parcel, stream, timeout_s)


async def _sent_again(client: Client, past: Past, parcel: Parcel, stream: str, timeout_s: float) -> None:
    where = f"stream {stream}, {parcel.subject}"
    past.trying = parcel
    wrong = verdict(await request(client, parcel.subject, parcel.payload, parcel.headers, timeout_s, where), where)
    past.trying = None
    if isinstance(wrong, Held):
        raise wrong
    if isinstance(wrong, UplinkRefused):
        past.refused.refuse(parcel.digest, str(wrong))
    elif wrong is None:
        past.known.add(parcel.places)

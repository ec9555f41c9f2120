"""URLs and headers of the HTTPS uplink: what may be written, and a URL from its template.

    https://cloud.example.com/ingest/{gateway}/{device}?by={uplink}

A field's value becomes one segment: whatever else it has is percent-encoded, and one of dots alone, which a server
would take for a step upward, becomes underscores.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from transports.errors import Problem
from transports.http.client import url_cure
from transports.uplinks._templates import field_problems

FIELDS = ("gateway", "uplink", "device")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_HERE = ("127.0.0.1", "localhost", "::1")
_OURS = {
    "authorization": "it belongs to auth",
    "connection": "the uplink keeps its connections itself",
    "content-encoding": "it is set by compress",
    "content-length": "it is counted",
    "content-type": "it belongs to content_type",
    "host": "it belongs to url",
    "transfer-encoding": "bodies are sent with their length",
}


def https_cure(text: str) -> str | None:
    """What is wrong with the URL of a server that gets our data, as a sentence; None when it is fine."""
    cure = url_cure(text)
    if cure is not None:
        return cure
    scheme, _, rest = text.partition("://")
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    if "{" in host or "}" in host:
        return "must name its server; {device} and the like may stand in the path"
    if scheme.lower() == "http" and name.lower() not in _HERE:
        return f'must begin with "https://"; plain HTTP is for servers on this machine ({", ".join(_HERE)})'
    return None


def header_name_cure(name: str) -> str | None:
    """What is wrong with a header's name; None when it is fine."""
    return None if _TOKEN.fullmatch(name) else 'must be the name of a header, such as "X-Signature"'


def header_problems(path: str, headers: Mapping[str, str]) -> Iterator[Problem]:
    """Headers that no request can carry, and those that are not the configuration's to set."""
    for name, value in headers.items():
        where = f"{path}.{name}"
        if not _TOKEN.fullmatch(name):
            yield Problem(where, "", 'is not the name of a header, such as "X-Site"')
        elif ours := _OURS.get(name.lower()):
            yield Problem(where, repr(value), f"must be left out: {ours}")
        elif not value.isascii() or not value.isprintable() or value != value.strip():
            yield Problem(where, repr(value), "must be printable ASCII without spaces at its ends")


def template_problems(path: str, template: str) -> Iterator[Problem]:
    """What keeps a template from making URLs."""
    yield from field_problems(path, template, FIELDS)


def uses_fields(template: str) -> bool:
    """Whether URLs differ by a field."""
    return "{" in template


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The URL. Raises KeyError for a field that nobody brought."""
    return template.format_map({name: _segment(fields[name]) for name in FIELDS if f"{{{name}}}" in template})


def _segment(value: str) -> str:
    return quote(value, safe="", errors="replace") if value.strip(".") else "_" * max(1, len(value))

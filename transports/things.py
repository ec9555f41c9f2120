"""Things that speak through one connection: who has been heard, at most so many, and all the tags they have.

A broker brings the messages of devices nobody has listed, a receiver takes readings of any name. Each new thing adds
tags, for ever; so there is a limit, and what lies beyond it is counted and passed over.
"""

from transports.json_tags import JsonTags
from transports.samples import Tag


class Things:
    """The things heard so far; `tags` grows with them, `strangers` counts what came from one too many."""

    def __init__(self, most: int) -> None:
        self.tags: tuple[Tag, ...] = ()
        self.strangers = 0
        self._most = most
        self._known: set[tuple[str, str]] = set()
        self._things: set[str] = set()
        self._names: set[str] = set()

    def admit(self, kind: str, source: JsonTags, prefix: str) -> bool:
        """Whether the thing that has this prefix is one of ours, with the tags of this kind of document."""
        if (kind, prefix) in self._known:
            return True
        if prefix not in self._things and len(self._things) >= self._most:
            self.strangers += 1
            return False
        self._things.add(prefix)
        self._known.add((kind, prefix))
        fresh = tuple(tag for tag in source.tags(prefix) if tag.name not in self._names)
        self._names.update(tag.name for tag in fresh)
        self.tags += fresh
        return True

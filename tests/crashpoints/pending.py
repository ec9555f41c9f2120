"""One point of a record: what is durable there, and the decisions that a power cut takes about the rest.

Each unsynced operation is a decision of its own, whatever became of those before and after it, but for names: a journal
never has a later change of a directory without the earlier ones, so a directory has one decision, how many it has.

    names of a directory            the first n of what was made, renamed, unlinked in it; after a rename between two
                                    directories the file may be in the old one, in both, or in the new one
    write                           any subset of its sectors (at most 4 groups of them), or cut at a byte: the part
                                    before, or the part after
    truncate                        it happened or not
    a file's length                 as far as what is kept of it, or all of it, filled with zeros or with what lay on
                                    the disk before

All decisions together are one number (mixed radix), so that a state has a name: `life.point.number`.
"""

import posixpath
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.crashpoints.disk import (
    Create,
    Image,
    MakeDir,
    Operation,
    Rename,
    Sync,
    SyncDir,
    Truncate,
    Unlink,
    Write,
    cut,
    put,
)

SECTOR_BYTES = 512
MAX_PIECES = 4
FILLS = 3  # of a length that is more than what is kept: none, zeros, bytes of other files

Naming = MakeDir | Create | Rename | Unlink


@dataclass(slots=True)
class _Unsynced:
    """A change of a file's data. `clean` ones are believed to be written, after a sync that failed."""

    at: int
    change: Write | Truncate
    clean: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """About one change of a file, the length of a node, or the names of a directory; option 0 is: it never happened."""

    about: Write | Truncate | int | tuple[Naming, ...]
    options: int
    whole: int = 1  # the option that means: it did happen


@dataclass(slots=True)
class Pending:
    """Made by `at_point`."""

    names: dict[str, int]
    folders: set[str]
    contents: dict[int, bytearray]
    naming: list[Naming] = field(default_factory=list)
    changes: dict[int, list[_Unsynced]] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def states(self) -> int:
        """How many numbers name a state; several may name the same."""
        product = 1
        for decision in self.decisions:
            product *= decision.options
        return product

    def digits(self, number: int) -> list[int]:
        """What is decided, by the number of a state."""
        digits = []
        for decision in self.decisions:
            number, digit = divmod(number, decision.options)
            digits.append(digit)
        return digits

    def number(self, digits: Sequence[int]) -> int:
        """The number of a state."""
        number = 0
        for decision, digit in zip(reversed(self.decisions), reversed(digits), strict=True):
            number = number * decision.options + digit
        return number

    def drawn(self, luck: random.Random) -> int:
        """A state by chance; those that a real power cut leaves most often are drawn most often."""
        wholes = [decision.whole for decision in self.decisions]
        anything = [luck.randrange(decision.options) for decision in self.decisions]
        if not wholes:
            return 0
        match luck.randrange(5):
            case 0:  # all but one
                odd = luck.randrange(len(wholes))
                digits = [
                    any_ if at == odd else whole for at, (whole, any_) in enumerate(zip(wholes, anything, strict=True))
                ]
            case 1:  # only one
                odd = luck.randrange(len(wholes))
                digits = [any_ if at == odd else 0 for at, any_ in enumerate(anything)]
            case 2:  # whole operations only
                digits = [whole * luck.randrange(2) for whole in wholes]
            case 3:  # all but some
                digits = [any_ if luck.random() < 0.3 else whole for whole, any_ in zip(wholes, anything, strict=True)]
            case _:
                digits = anything
        return self.number(digits)

    def everything(self) -> int:
        """The state that the death of the process alone leaves."""
        return self.number(
            [decision.whole if not isinstance(decision.about, int) else 0 for decision in self.decisions]
        )

    def image(self, number: int) -> Image:
        """The disk as it is found after the cut."""
        names, folders = dict(self.names), set(self.folders)
        kept: dict[int, list[tuple[Write | Truncate, int]]] = {}
        fills: dict[int, int] = {}
        for decision, digit in zip(self.decisions, self.digits(number), strict=True):
            match decision.about:
                case int(node):
                    fills[node] = digit
                case Write() | Truncate() as change:
                    kept.setdefault(change.node, []).append((change, digit))
                case tuple(namings):
                    for naming in namings[:digit]:
                        _name(names, folders, naming)
        files = {path: self._content(node, kept.get(node, []), fills.get(node, 0)) for path, node in names.items()}
        there = {path: data for path, data in files.items() if _reachable(path, folders)}
        return Image(frozenset(folder for folder in folders if _reachable(folder, folders)), there)

    def _content(self, node: int, kept: Sequence[tuple[Write | Truncate, int]], fill: int) -> bytes:
        data = bytearray(self.contents.get(node, b""))
        length = len(data)
        if fill:
            for change, _ in kept:
                length = change.size if isinstance(change, Truncate) else max(length, change.offset + len(change.data))
            missing = max(0, length - len(data))
            data += bytes(missing) if fill == 1 else self._stale(node, missing)
        for change, digit in kept:
            if isinstance(change, Truncate):
                if digit:
                    cut(data, change.size)
            else:
                for start, end in _kept_parts(change, digit):
                    put(data, change.offset + start, change.data[start:end])
        return bytes(data)

    def _stale(self, node: int, size: int) -> bytes:
        others = b"".join(bytes(data) for other, data in sorted(self.contents.items()) if other != node) or b"\xa5"
        return (others * (size // len(others) + 1))[-size:] if size else b""


def at_point(base: Image, operations: Sequence[Operation]) -> Pending:
    """After these operations, begun on this image."""
    contents = {node: bytearray(data) for node, data in enumerate(base.files.values())}
    pending = Pending({path: node for node, path in enumerate(base.files)}, set(base.folders), contents)
    for at, operation in enumerate(operations):
        match operation:
            case Write() | Truncate():
                pending.changes.setdefault(operation.node, []).append(_Unsynced(at, operation))
            case Sync():
                _synced(pending, operation)
            case SyncDir():
                _dir_synced(pending, operation.path)
            case Rename() if posixpath.dirname(operation.old) != posixpath.dirname(operation.new):
                # two directories, synced one by one; but no journal takes the old name away before the new one is there
                pending.naming += [Create(operation.new, operation.node), operation]
            case _:
                pending.naming.append(operation)
    pending.decisions = _decisions(pending)
    return pending


def _synced(pending: Pending, sync: Sync) -> None:
    left: list[_Unsynced] = []
    for unsynced in pending.changes.get(sync.node, []):
        if unsynced.at < sync.begun and not unsynced.clean and sync.well:
            _apply(pending.contents.setdefault(sync.node, bytearray()), unsynced.change)
            left = [each for each in left if not _covers(unsynced.change, each.change)]
        else:
            unsynced.clean |= unsynced.at < sync.begun and isinstance(unsynced.change, Write)  # a length stays dirty
            left.append(unsynced)
    pending.changes[sync.node] = left


def _covers(later: Write | Truncate, earlier: Write | Truncate) -> bool:
    """Nothing is left to decide about what has been written over, or cut off, durably."""
    if isinstance(earlier, Truncate):
        return True
    if isinstance(later, Truncate):
        return later.size <= earlier.offset
    return later.offset <= earlier.offset and earlier.offset + len(earlier.data) <= later.offset + len(later.data)


def _dir_synced(pending: Pending, folder: str) -> None:
    left: list[Naming] = []
    for naming in pending.naming:
        if _folder(naming) == folder:
            _name(pending.names, pending.folders, naming)
        else:
            left.append(naming)
    pending.naming = left


def _folder(naming: Naming) -> str:
    return posixpath.dirname(naming.old if isinstance(naming, Rename) else naming.path)


def _decisions(pending: Pending) -> list[Decision]:
    nodes = {*pending.names.values(), *(each.node for each in pending.naming if not isinstance(each, MakeDir))}
    by_folder: dict[str, list[Naming]] = {}
    for naming in pending.naming:
        by_folder.setdefault(_folder(naming), []).append(naming)
    decisions = [Decision(tuple(each), len(each) + 1, len(each)) for each in by_folder.values()]
    for node in sorted(nodes):
        changes = [unsynced.change for unsynced in pending.changes.get(node, [])]
        decisions += [_about(change) for change in changes]
        if any(isinstance(change, Write) for change in changes):
            decisions.append(Decision(node, FILLS, 0))
    return decisions


def _about(change: Write | Truncate) -> Decision:
    if isinstance(change, Truncate):
        return Decision(change, 2)
    pieces = len(_pieces(change))
    return Decision(change, (1 << pieces) + 2 * len(_tears(change)), (1 << pieces) - 1)


def _pieces(write: Write) -> list[tuple[int, int]]:
    """Its sectors, or groups of them."""
    size, first = len(write.data), SECTOR_BYTES - write.offset % SECTOR_BYTES
    cuts = [0, *range(first, size, SECTOR_BYTES), size]
    if len(cuts) > MAX_PIECES + 1:
        step = -(-(len(cuts) - 1) // MAX_PIECES)
        cuts = [*cuts[:-1:step], size]
    return list(pairwise(cuts))


def _tears(write: Write) -> list[int]:
    """Bytes at which it is torn: in the marker, behind it, in the middle, before the last."""
    size = len(write.data)
    return sorted({at for at in (1, 4, 13, size // 2, size - 1) if 0 < at < size})


def _kept_parts(write: Write, digit: int) -> list[tuple[int, int]]:
    pieces = _pieces(write)
    if digit < 1 << len(pieces):
        return [piece for at, piece in enumerate(pieces) if digit >> at & 1]
    at, after = divmod(digit - (1 << len(pieces)), 2)
    tear = _tears(write)[at]
    return [(tear, len(write.data))] if after else [(0, tear)]


def _apply(data: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        cut(data, change.size)
    else:
        put(data, change.offset, change.data)


def _name(names: dict[str, int], folders: set[str], naming: Naming) -> None:
    match naming:
        case MakeDir(path):
            folders.add(path)
        case Create(path, node):
            names[path] = node
        case Rename(old, new, node):
            if names.get(old) == node:
                del names[old]
            names[new] = node
        case Unlink(path, node) if names.get(path) == node:
            del names[path]
        case Unlink():
            pass


def _reachable(path: str, folders: set[str]) -> bool:
    above = posixpath.dirname(path)
    return not above or (above in folders and _reachable(above, folders))

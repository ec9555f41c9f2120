"""With which configuration a gateway begins: the text in CONFIG, or the last good one when that was not confirmed."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from supervisors.configuration import config
from supervisors.configuration.gateway import Gateway
from supervisors.reload.history import Entry, History, in_place_of, sha256_of
from supervisors.reload.records import Records
from supervisors.reload.texts import Source, load, read
from transports.errors import HoldfastError

FOLDER = "config"  # in the data directory


@dataclass(frozen=True, slots=True)
class Opening:
    """What a gateway begins with. `passed_over` says, in a sentence, why that is not the text in CONFIG; `warning`,
    why it is although it was not confirmed."""

    source: Source
    gateway: Gateway
    text: bytes
    passed_over: str = ""
    warning: str = ""


def history_of(data_dir: Path) -> History:
    """Where a gateway with that data directory keeps its configurations."""
    return History(data_dir / FOLDER)


def opened(source: Source) -> Opening:
    """Choose what to begin with, changing nothing. Raises SettingsError with every mistake in CONFIG."""
    source = Source(source.config.absolute(), source.data_dir, source.run_dir)
    text = read(source.config)
    gateway = config.load(source.config, source.data_dir, source.run_dir)
    history = history_of(gateway.data_dir)
    entries = history.entries()
    chosen = in_place_of(sha256_of(text), entries)
    if chosen is None:
        return Opening(source, gateway, text)
    why = _why(source.config, sha256_of(text), entries, chosen)
    try:
        return _earlier(source, history, chosen, gateway, why)
    except (HoldfastError, OSError) as lost:
        told = f"{why}, but configuration {chosen.number} cannot be used ({lost}): it starts with {source.config}"
        return Opening(source, gateway, text, warning=" ".join(told.split()))


def recorded(opening: Opening, who: str, utc_ns: int) -> int:
    """Write down that the gateway begins with it, once the directories are its own; the number, 0 when the disk
    refuses: a gateway that runs is worth more than its history."""
    records = Records(history_of(opening.gateway.data_dir), opening.source.config)
    with suppress(OSError):
        return records.started(opening.text, who, utc_ns)
    return 0


def _earlier(source: Source, history: History, chosen: Entry, gateway: Gateway, why: str) -> Opening:
    text = history.text(chosen.number)
    here = Source(source.config, gateway.data_dir, gateway.run_dir)
    with TemporaryDirectory(prefix="holdfast-") as scratch:
        earlier = load(text, here, Path(scratch))
    passed_over = f"{why}: the gateway runs with configuration {chosen.number}, of {chosen.time}, until {source.config}"
    return Opening(source, earlier, text, passed_over=f"{passed_over} is changed or `holdfast reload` tries it again")


def _why(file: Path, sha256: str, entries: list[Entry], chosen: Entry) -> str:
    if chosen.instead_of == sha256:
        return f"{file} could not be replaced by the rollback to configuration {chosen.number}"
    tried = next(entry for entry in reversed(entries) if entry.sha256 == sha256)
    because = f" ({tried.reason})" if tried.reason else ""
    return f"{file} was tried as configuration {tried.number} and not confirmed{because}"

"""Sentence settings: which sentences of NMEA 0183 become tags."""

from collections.abc import Iterable
from dataclasses import dataclass

from transports.errors import Problem
from transports.nmea import DEFAULT, transducer_tag
from transports.nmea_sentences import SENTENCES
from transports.settings import nearest, setting


@dataclass(frozen=True, kw_only=True)
class SentenceSettings:
    """What is wanted of a device that speaks NMEA 0183 (format = "nmea")."""

    sentences: tuple[str, ...] = setting(
        (), help=f"which of {', '.join(SENTENCES)}; {', '.join(DEFAULT)} where nothing is said", example="RMC"
    )
    layouts: dict[str, tuple[str, ...]] = setting(
        {}, help='names of the fields of other sentences, "" for one that is not wanted', example="{ PGRMZ = [] }"
    )
    transducers: tuple[str, ...] = setting((), help="names in XDR sentences; PTCH becomes xdr_ptch", example="PTCH")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The sentences of the house's table that are asked for."""
        return self.sentences or (() if self.layouts or self.transducers else DEFAULT)

    @property
    def noted(self) -> list[str]:
        """The tags whose type, unit, scale and offset the settings may say."""
        own = [name for names in self.layouts.values() for name in names if name]
        return own + [transducer_tag(name) for name in self.transducers]

    def sentence_problems(self, path: str) -> Iterable[Problem]:
        """Sentences that nobody knows, and two tags of one name."""
        for at, name in enumerate(self.sentences):
            if name not in SENTENCES:
                cure = f"is no sentence that is known; {nearest(name, list(SENTENCES))}; others go into layouts"
                yield Problem(f"{path}.sentences[{at}]", repr(name), cure)
        for name in self.layouts:
            if name in SENTENCES or name == "XDR":
                where = "transducers" if name == "XDR" else "sentences"
                yield Problem(f"{path}.layouts.{name}", "", f"is known: name it in {where}")
        tags = [tag.name for name in self.wanted if name in SENTENCES for tag in SENTENCES[name].tags] + self.noted
        twice = sorted({name for name in tags if tags.count(name) > 1})
        if twice:
            yield Problem(f"{path}.layouts", "", f"makes {', '.join(twice[:3])} a second time; rename one of the two")

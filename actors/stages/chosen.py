"""Which tags a stage works on: the settings that all stages have."""

from dataclasses import dataclass

from transports.settings import setting


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A base for the settings of a stage. Tags that are not chosen pass as they are."""

    tags: tuple[str, ...] = setting(
        ("*",),
        help="the tags it works on, with * and ?; the others pass",
        example='["oil*"]',
        check=lambda patterns: None if patterns else "must name at least one tag",
    )

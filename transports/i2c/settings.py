"""The chips of an I2C bus as they are written in the configuration, and what is wrong with them together."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from transports.building import build
from transports.chips import PROFILES, Chip, Profile
from transports.errors import Problem, SettingsError
from transports.i2c.map import RegisterMap, SetupSettings
from transports.i2c.registers import RegisterSettings
from transports.i2c.target import Channel
from transports.settings import nearest, setting

RESERVED_BELOW = 0x08  # 0x00 to 0x07 and 0x78 to 0x7f mean something else (UM10204, table 4)


@dataclass(frozen=True)
class MuxSettings:
    """The way to a chip that is behind a TCA9548A."""

    address: int = setting(ge=0x70, le=0x77, help="the mux's own address", example="0x70")
    channel: int = setting(ge=0, le=7, help="on which of its channels the chip is")


@dataclass(frozen=True)
class ChipSettings:
    """One chip of the bus."""

    address: int = setting(ge=0x03, le=0x77, help="its 7-bit address", example="0x76")
    profile: str = setting("", help=f"what it is: {', '.join(PROFILES)}")
    settings: Mapping[str, Any] = setting({}, help="what its profile can be told (holdfast drivers i2c)")
    registers: Mapping[str, RegisterSettings] = setting(
        {}, help="what to read of it besides, or without a profile: a table for each tag, its name the key"
    )
    setup: tuple[SetupSettings, ...] = setting(
        (), help="registers to write when it is found, and again when it lost power"
    )
    pec: bool = setting(False, help="whether each transfer has an SMBus packet error code")
    pointer: int = setting(1, choices=(1, 2), help="bytes of a register's number on the wire")
    mux: MuxSettings | None = setting(
        None, help="the mux behind which it is", example="{ address = 0x70, channel = 2 }"
    )

    @property
    def behind(self) -> Channel | None:
        """The way to it through a mux."""
        return Channel(self.mux.address, self.mux.channel) if self.mux else None

    def chips(self) -> Iterator[Chip]:
        """What it is read by: its profile, its registers, or both."""
        if self.profile:
            profile = profile_of(self.profile)
            yield profile.chip(build(profile.Settings, self.settings, "settings"))
        if self.registers:
            yield RegisterMap(self.registers, self.setup)

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings of one chip are seen together."""
        if self.profile and self.profile not in PROFILES:
            cure = f"unknown profile; {nearest(self.profile, list(PROFILES))}"
            yield Problem(f"{path}.profile", repr(self.profile), cure)
            return
        highest = 0x100**self.pointer
        rules = (
            ("profile", "", not self.profile and not self.registers, "is missing; write a profile, or registers"),
            ("settings", dict(self.settings), bool(self.settings) and not self.profile, "needs a profile"),
            ("setup", "", bool(self.setup) and not self.registers, "needs registers; a profile configures its chip"),
            ("pec", True, self.pec and bool(self.profile), f"a chip of profile {self.profile} has no PEC"),
            ("pointer", 2, self.pointer != 1 and bool(self.profile), f"a chip of profile {self.profile} takes 1 byte"),
        )
        for key, value, broken, cure in rules:
            if broken:
                yield Problem(f"{path}.{key}", repr(value)[:60] if value != "" else "", cure)
        for name, each in self.registers.items():
            if each.register >= highest:
                cure = f"needs pointer = 2: one byte numbers registers up to {highest - 1:#x}"
                yield Problem(f"{path}.registers.{name}.register", f"{each.register:#x}", cure)
        if self.profile:
            yield from self._profile_problems(path)

    def _profile_problems(self, path: str) -> Iterator[Problem]:
        profile = profile_of(self.profile)
        try:
            made = profile.chip(build(profile.Settings, self.settings, f"{path}.settings"))
        except SettingsError as wrong:
            yield from wrong.problems
            return
        for name in sorted({tag.name for tag in made.tags} & set(self.registers)):
            yield Problem(
                f"{path}.registers.{name}", "", f"the profile {self.profile} has a tag of that name; rename it"
            )


def profile_of(name: str) -> Profile:
    """The module of a profile."""
    return cast(Profile, importlib.import_module(PROFILES[name]))


def bus_problems(chips: Mapping[str, ChipSettings], path: str) -> Iterator[Problem]:
    """What is wrong with the chips of one bus together: there are none, or two answer at once."""
    if not chips:
        yield Problem(path, "{}", "must name at least one chip")
    muxes = {chip.mux.address for chip in chips.values() if chip.mux}
    earlier: dict[str, ChipSettings] = {}
    for name, chip in chips.items():
        if "." in name or not name:
            yield Problem(f"{path}.{name}", repr(name), "a chip's name has no dot: its tags are called chip.tag")
        rival = next((key for key, other in earlier.items() if _collide(chip, other)), None)
        if rival is not None:
            cure = f"{rival} has this address too; change one, or put one of the two behind a mux channel of its own"
            yield Problem(f"{path}.{name}.address", f"{chip.address:#04x}", cure)
        elif chip.address in muxes:
            cure = "a mux of this bus has this address; change one of the two"
            yield Problem(f"{path}.{name}.address", f"{chip.address:#04x}", cure)
        earlier[name] = chip


def _collide(one: ChipSettings, other: ChipSettings) -> bool:
    """Whether both answer at once: of the same address, and not on two channels of muxes."""
    return one.address == other.address and (one.mux is None or other.mux is None or one.mux == other.mux)

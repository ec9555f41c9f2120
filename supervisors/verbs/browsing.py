"""`holdfast browse`: what a device has to say, as the table of tags for its configuration."""

from pathlib import Path
from typing import Annotated

import typer

from supervisors.verbs.completion import configured_devices
from transports.errors import HoldfastError
from transports.settings import nearest

Config = Annotated[Path, typer.Argument(help="the gateway's TOML file")]
Device = Annotated[str, typer.Argument(help="one of its devices", autocompletion=configured_devices)]


def browse(config: Config, device: Device) -> None:
    """List everything that a device offers, as tags to copy into the configuration; for drivers that can ask for it."""
    from supervisors.configuration.config import load
    from transports import catalog

    gateway = load(config)
    spec = next((each for each in gateway.devices if each.name == device), None)
    if spec is None:
        raise HoldfastError(f"unknown device {device!r}; {nearest(device, [each.name for each in gateway.devices])}")
    if spec.broken:
        raise HoldfastError(f"{spec.path}: cannot run: {spec.broken}")
    module = catalog.load(catalog.LINKS, spec.driver, f"{spec.path}.driver")
    if not hasattr(module, "browse"):
        able = ", ".join(name for name in catalog.names(catalog.LINKS) if _can(name))
        raise HoldfastError(
            f"{spec.path}: the driver {spec.driver!r} has no list of what a device offers; these have: {able}"
        )
    typer.echo(f"# [device.{device}.tags]")
    typer.echo(module.browse(spec.settings))


def _can(driver: str) -> bool:
    from supervisors.configuration.sections import Broken, foreign
    from transports import catalog
    from transports.errors import MissingExtra

    try:
        module = foreign(lambda: catalog.load(catalog.LINKS, driver, driver))
    except MissingExtra:
        return False
    return not isinstance(module, Broken) and hasattr(module, "browse")

"""The months' bytes on the disk, one small file that is replaced whole.

{LINK: {"month": "2026-05", "bytes": N, "boot": ID, "index": N, "counter": N, "said": 0 | 80 | 100,
        "others": [["2026-04", BYTES, SAID], ...]}}      other months; may be missing
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from actors.networks.budget import Reading, Used
from transports.durable import replace_file

log = logging.getLogger("holdfast.network")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


def boot_id() -> str:
    """Which boot of the machine this is; "" where nobody says."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def restored(path: Path) -> dict[str, Used]:
    """What was used, by link; nothing where there is no file. What cannot be read is said, and begins anew."""
    try:
        return {name: _used(each) for name, each in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as damaged:
        log.error("%s cannot be read (%s): what was used this month is counted from now on", path, damaged)
        return {}


def stored(path: Path, used: Mapping[str, Used]) -> None:
    """Replace the file. Raises OSError when the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps({name: _told(each) for name, each in used.items()}).encode())


def _told(used: Used) -> dict[str, object]:
    reading = used.reading
    return {
        "month": used.month,
        "bytes": used.bytes,
        "boot": reading.boot,
        "index": reading.index,
        "counter": reading.bytes,
        "said": used.said,
        "others": used.others,
    }


def _used(held: Mapping[str, object]) -> Used:
    reading = Reading(str(held["boot"]), _whole(held["index"]), _whole(held["counter"]))
    others = held.get("others", ())
    if not isinstance(others, list | tuple):
        raise TypeError(f"{others!r:.20} is no list of months")
    months = tuple((str(month), _whole(carried), _whole(said)) for month, carried, said in others)
    return Used(str(held["month"]), _whole(held["bytes"]), reading, _whole(held["said"]), months)


def _whole(given: object) -> int:
    if not isinstance(given, int):
        raise TypeError(f"{given!r:.20} is no number")
    return given

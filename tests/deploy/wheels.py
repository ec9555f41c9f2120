"""Small wheels for the installer: a Holdfast that does next to nothing, quickly, and packages that it may need."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

_CLI = """
import sys
from pathlib import Path

VERSION, REFUSES = {version!r}, {refuses!r}


def main():
    match sys.argv[1:]:
        case ["init", *_, file]:
            Path(file).write_text(f'name = "tiny"\\npath = "{{Path(file).absolute().with_suffix(".ndjson")}}"\\n')
        case ["check", file]:
            text = Path(file).read_text()
            if REFUSES and REFUSES in text:
                sys.exit(f"{{file}}: {{REFUSES}} is not allowed any more")
        case ["version"]:
            print(VERSION)
        case ["completion", "bash"] if VERSION != "1":
            print("complete holdfast")
        case _:
            return 2
    return 0
"""


def holdfast(
    directory: Path, version: str, refuses: str = "", needs: Sequence[str] = (), code: str | None = None
) -> Path:
    """A wheel of that version; it refuses a configuration with the word `refuses`. `code` replaces its command line."""
    cli = code if code is not None else _CLI.format(version=version, refuses=refuses)
    return wheel(directory, "holdfast", version, {"supervisors/__init__.py": "", "supervisors/cli.py": cli}, needs)


def seeded_python(home: Path) -> Path:
    """A Python that makes a venv as a copy of one in `home`: pip is unpacked once, not for each release."""
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    copies = f'if [ "$1 $2" = "-m venv" ]; then exec cp -a "{home}/venv" "$3"; fi'
    (home / "python").write_text(f'#!/bin/sh\n{copies}\nexec "{sys.executable}" "$@"\n')
    (home / "python").chmod(0o755)
    return home / "python"


def wheel(directory: Path, name: str, version: str, files: Mapping[str, str], needs: Sequence[str] = ()) -> Path:
    """A wheel of these files."""
    directory.mkdir(parents=True, exist_ok=True)
    path, about = directory / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {each}\n" for each in needs)
    whole = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*whole, f"{about}/RECORD"))
    with ZipFile(path, "w") as archive:
        for file, text in {**whole, f"{about}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def locked(*wheels: Path) -> str:
    """The lines of requirements.lock for these."""
    lines = []
    for path in wheels:
        name, version, *_ = path.name.split("-")
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    return "".join(lines)

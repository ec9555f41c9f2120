"""The verbs of the command `holdfast`, a file a family, and the options that they have in common.

A verb is a plain function with Typer's annotations; cli.py gives it its name. What it needs is imported inside it, so
that one verb does not wait for another's libraries.
"""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="directory of the spool and the reports")]
RunDir = Annotated[Path | None, typer.Option("--run-dir", help="directory of the sockets between the processes")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]

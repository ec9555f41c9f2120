"""A program that prints a reading as a line of JSON, four times a second, for the driver `program`.

python -m tests.field.talker PID_FILE NOTES        # notes "talker N TIME_NS" for each line that the pipe took
"""

import json
import math
import os
import sys
import time
from pathlib import Path

EVERY_S = 0.25


def main() -> None:
    pid_file, notes = sys.argv[1:]
    Path(pid_file).write_text(str(os.getpid()))
    noted = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number, due = time.time_ns() // 1_000_000, time.monotonic()
    while True:
        number += 1  # unique in all its lives: it began with the time in ms, and four a second are less than that
        wave = math.sin(due / 10)
        print(json.dumps({"n": number, "sine": wave, "cosine": math.cos(due / 10), "up": wave > 0}), flush=True)
        os.write(noted, b"talker %d %d\n" % (number, time.time_ns()))
        due += EVERY_S
        time.sleep(max(0.0, due - time.monotonic()))  # its own rhythm


if __name__ == "__main__":
    main()

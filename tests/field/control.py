"""The control clock: wakes every 20 ms beside the gateway, and prints when it was due and woke, if it was late.

python -m tests.field.control        # one line "DUE WOKE" (ns UTC) for each time that it was late by 50 ms or more
"""

import time

EVERY_S = 0.02
LATE_S = 0.05


def main() -> None:
    print("ready", flush=True)
    due = time.monotonic() + EVERY_S
    while True:
        time.sleep(max(0.0, due - time.monotonic()))  # to oversleep is what is measured
        late_s = time.monotonic() - due
        if late_s >= LATE_S:
            woke_ns = time.time_ns()
            print(woke_ns - round(late_s * 1e9), woke_ns, flush=True)
        due = max(due + EVERY_S, time.monotonic())


if __name__ == "__main__":
    main()

"""The OPC UA simulator in a process of its own: prints its port, serves until killed.

python tests/peers/opcua_simulator.py 'port = 0'
"""

import argparse
import tomllib

from lifeline import die_with_parent

from transports.building import build
from transports.simulators import opcua


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("settings", default="", help="the settings as TOML")
    options = parser.parse_args()
    if options.parent:
        die_with_parent(options.parent)
    settings = build(opcua.Settings, tomllib.loads(options.settings), "simulator")
    opcua.serve(settings, lambda said: print(said.rpartition(":")[2], flush=True))


if __name__ == "__main__":
    main()

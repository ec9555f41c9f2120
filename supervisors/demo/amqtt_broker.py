"""An MQTT broker from PyPI, for machines without Mosquitto: `python -m supervisors.demo.amqtt_broker PORT`.

It listens on the loopback only, lets anyone in, keeps nothing on disk, and logs errors alone.
"""

import asyncio
import logging
import sys
from typing import Any

from amqtt.broker import Broker


def configuration(port: int) -> dict[str, Any]:
    """What amqtt is told (amqtt.contexts.BrokerConfig); the plugins that are not named here stay away."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


async def serve(port: int) -> None:
    """Be the broker until the process ends."""
    await Broker(configuration(port)).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))

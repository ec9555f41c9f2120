"""To which server a Sparkplug node goes, and with which Will: who decides depends on whether a primary host is named.

With a primary host the servers are walked as the specification says (transports/sparkplug/phases.py): the host knows
which one is right, so there is no going back to the first. Without one the first is preferred, as any uplink over MQTT
does. Either way there is one attempt a second at most, and certificates are watched (_mqtt/road.py).
"""

from transports.clock import Clock
from transports.uplinks import Identity
from transports.uplinks._mqtt.entrance import Will
from transports.uplinks._mqtt.line import Line
from transports.uplinks._mqtt.road import Road
from transports.uplinks._mqtt.walk import Walk
from transports.uplinks._sparkplug.life import Life
from transports.uplinks._sparkplug.settings import Settings


class Way:
    """Of one connect() of an uplink. `road` is what is known of the connection beside the line itself."""

    def __init__(self, settings: Settings, identity: Identity, life: Life, clock: Clock) -> None:
        self._life, self._past = life, settings.roaming.past
        self._is_hosted = bool(settings.host_id)
        self.road = Road(settings.roaming, identity, clock)

    def open(self, now: float) -> Line | None:
        """A line under way, None while a second since the last attempt has not passed.

        Raises UplinkDown when what it needs cannot be read.
        """
        if now < self.road.free_at:  # a Will has a number that is never used again: make none in vain
            return None
        if self._is_hosted:
            self._past.walk = Walk(self._life.node.server)
        will = self._life.will()
        return self.road.open(now, Will(will.topic, will.payload, will.qos, will.retain))

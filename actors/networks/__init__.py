"""Network links: which one each uplink uses now, and why.

    cards, netlink ──> Link ──┐
    budget, modem  ──> (link.py)├──> Traveller (one an uplink) ──Way──> uplink     actors/network.py has them all
    probes, Fared  ──> Check ──┘     choosing.py decides              wayfinding.py is the uplink's side

    standing.py   how a link stands for an uplink     budget.py, budget_file.py   bytes of the month
    flapping.py   which comings and goings are told

Invariants: no link is chosen that is known dead while one is known to live; a link that fails back and fails again
waits longer each time; over a link that lets nothing pass goes nothing, no check either; an uplink that hears nothing
uses its first link that leads somewhere; a budget survives every restart, and a clock that was wrong.

A link here is [link.NAME] of the configuration: an interface to the north. transports/links are device drivers.
"""

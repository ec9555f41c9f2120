"""Network interfaces: sockets bound to one, whether it can carry anything, what it has carried, its modem.

    dialing.py  a TCP connection through a given interface      probe.py   can a server be reached through it?
    cards.py    carrier and counters, from /sys/class/net       watch.py   the kernel says when that changes
    modems.py   signal, operator and registration, from ModemManager

What the configuration calls a link ([link.ethernet]) is an interface here: transports/links are device drivers.
"""

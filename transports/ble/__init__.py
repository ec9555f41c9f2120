"""Bluetooth Low Energy: what advertisements say, what characteristics hold, and BlueZ's adapter to hear them by.

    advertisement ──bthome, ruuvi, ibeacon──> Said ──Ear──> scans          pure: times and bytes are handed in
    bytes of a characteristic ──Form──> value, and back                    pure
    links/ble.py ──Adapter (is it there?), Session (one GATT connection)──> BlueZ, through bleak and dbus-fast

One adapter serves many peripherals, so the loss of one is only that one's: its tags are Bad, the link lives. Only the
loss of the adapter (or of BlueZ, or of D-Bus) is the loss of the link.
"""

"""The tables of the receiver's database: the documentation of what can be asked of it.

records     one row a record. `record` numbers it here; (gateway, topic, epoch, seq) is its id, once each
readings    one row a value. `kind` says which column has it: bool and integer `integer`, real `real`, text `text`,
            bytes `blob`, list `text` (JSON); NULL: there is none (Bad, or JSON could not say it). Whole numbers from
            2**63 on, and a NaN, stand in `text`. Times are ns UTC
gaps        what is missing, and why; NULL where nobody knows how much
unreadable  messages, or parts of them, that are no records or contradict one: as they came, with the reason. `records`
            lists the ids that could be read (JSON; these were confirmed). Of those without any the newest are kept
"""

from typing import Final

APPLICATION_ID: Final = 0x484F4C44  # "HOLD", in the file's header at byte 68 (SQLite, File Format, section 1.3)
VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE records (
    record INTEGER PRIMARY KEY,
    gateway TEXT NOT NULL, topic TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
    device TEXT NOT NULL, aggregate TEXT NOT NULL,
    source_seq INTEGER, thinned_to INTEGER,
    time_ns INTEGER NOT NULL,
    historical INTEGER NOT NULL,
    mqtt_topic TEXT NOT NULL,
    received_ns INTEGER NOT NULL,
    UNIQUE (gateway, topic, epoch, seq)
);
CREATE TABLE readings (
    record INTEGER NOT NULL REFERENCES records,
    gateway TEXT NOT NULL, device TEXT NOT NULL, aggregate TEXT NOT NULL, tag TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    kind TEXT, integer INTEGER, real REAL, text TEXT, blob BLOB,
    quality INTEGER NOT NULL,
    scan INTEGER NOT NULL,
    unit TEXT NOT NULL,
    window_ns INTEGER NOT NULL,
    historical INTEGER NOT NULL
);
CREATE INDEX readings_by_tag ON readings (gateway, device, tag, time_ns);
CREATE TABLE gaps (
    record INTEGER NOT NULL REFERENCES records,
    gateway TEXT NOT NULL, device TEXT NOT NULL, aggregate TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,
    first_seq INTEGER, last_seq INTEGER, count INTEGER, samples INTEGER,
    detail TEXT NOT NULL
);
CREATE INDEX gaps_by_time ON gaps (gateway, device, since_ns);
CREATE TABLE unreadable (
    digest BLOB PRIMARY KEY,
    mqtt_topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    reason TEXT NOT NULL,
    records TEXT NOT NULL,
    times INTEGER NOT NULL,
    first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL
);
"""

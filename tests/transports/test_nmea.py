"""NMEA 0183: known sentences from any talker as tags, what is empty or void Bad, garbage nothing."""

import random
from typing import Any

import pytest

from transports.checksums import Checksum
from transports.fields import FieldSettings
from transports.nmea import Nmea
from transports.nmea_sentences import NO_DATA, SENTENCES
from transports.samples import Quality, Scan, batch_of

ALL = Nmea(list(SENTENCES), {"PGRMZ": ["height", "", "fix"]}, ["PTCH", "Air Temp"], {"height": FieldSettings("int64")})


def said(sentence: str) -> dict[str, Any]:
    """The Good values of a sentence, by tag."""
    scan = ALL.scan(sentence.encode(), 1)
    assert scan is not None
    batch_of("x", 0, [scan])
    return {tag.name: value for tag, value in zip(scan.tags, scan.values, strict=True) if value is not None}


def codes(sentence: str) -> dict[str, int]:
    scan = ALL.scan(sentence.encode(), 1)
    assert scan is not None
    status = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else scan.quality
    return {tag.name: int(code) for tag, code in zip(scan.tags, status, strict=True)}


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        (
            "$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,",
            {
                "gga_time": "09:27:50.000",
                "gga_latitude": 53 + 21.6802 / 60,
                "gga_longitude": -(6 + 30.3372 / 60),
                "gga_quality": 1,
                "gga_satellites": 8,
                "gga_hdop": 1.03,
                "gga_altitude": 61.7,
                "gga_geoid": 55.2,
            },
        ),
        (
            "$GNRMC,123519,A,4807.038,S,01131.000,E,022.4,084.4,230394,003.1,W",
            {
                "rmc_time": "1994-03-23T12:35:19Z",
                "rmc_status": "A",
                "rmc_latitude": -(48 + 7.038 / 60),
                "rmc_longitude": 11 + 31 / 60,
                "rmc_speed": 22.4,
                "rmc_course": 84.4,
                "rmc_variation": -3.1,
            },
        ),
        (
            "$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K,A",
            {"vtg_course": 54.7, "vtg_course_magnetic": 34.4, "vtg_speed": 5.5, "vtg_speed_kmh": 10.2},
        ),
        (
            "$GPGLL,4916.45,N,12311.12,W,225444,A",
            {
                "gll_latitude": 49 + 16.45 / 60,
                "gll_longitude": -(123 + 11.12 / 60),
                "gll_time": "22:54:44",
                "gll_status": "A",
            },
        ),
        ("$GPZDA,201530.00,04,07,2002,00,00", {"zda_time": "2002-07-04T20:15:30.00Z"}),
        ("$HEHDT,274.07,T", {"hdt_heading": 274.07}),
        (
            "$WIMWV,214.8,R,36,K,A",
            {"mwv_apparent_angle": 214.8, "mwv_apparent_speed": pytest.approx(10), "mwv_status": "A"},
        ),
        ("$WIMWV,10,T,5.0,M,A", {"mwv_true_angle": 10.0, "mwv_true_speed": 5.0, "mwv_status": "A"}),
        ("$SDDBT,7.8,f,2.4,M,1.3,F", {"dbt_depth": 2.4}),
        ("$IIXDR,C,19.52,C,Air Temp,A,-5.5,D,PTCH,A,1,D,ROLL", {"xdr_ptch": -5.5, "xdr_air_temp": 19.52}),
        ("$PGRMZ,246,f,3", {"height": 246, "fix": 3.0}),
    ],
)
def test_a_sentence_says_what_its_fields_say(sentence: str, values: dict[str, Any]) -> None:
    assert said(sentence) == values


def test_an_empty_field_is_bad_alone() -> None:
    sentence = "$GPGGA,092750,5321.6802,N,00630.3372,W,1,8,,,M,,M,,"
    assert {name for name, code in codes(sentence).items() if code} == {"gga_hdop", "gga_altitude", "gga_geoid"}
    assert codes(sentence)["gga_hdop"] == NO_DATA


def test_a_void_sentence_has_no_position_and_says_why() -> None:
    void = "$GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W"
    assert said(void) == {"rmc_time": "1994-03-23T12:35:19Z", "rmc_status": "V"}
    assert codes(void)["rmc_latitude"] == Quality.BAD_SENSOR_FAILURE
    assert "gga_latitude" not in said("$GPGGA,092750,5321.6802,N,00630.3372,W,0,0,1.0,61.7,M,55.2,M,,")


@pytest.mark.parametrize("angle", ["9100.0,N", "5321.6802,X", "5399.0,N", "nan,N", "1e3,N", "-5321.0,N", "5,N"])
def test_a_position_that_is_none_is_bad(angle: str) -> None:
    assert codes(f"$GPGLL,{angle},00630.33,W,225444,A")["gll_latitude"] == Quality.BAD_DECODING


@pytest.mark.parametrize("number", ["nan", "inf", "1_0", "1e999", "0x10", "--1", "1.2.3", "٣", "9" * 400])
def test_a_number_that_nmea_does_not_write_is_bad(number: str) -> None:
    assert codes(f"$HEHDT,{number},T")["hdt_heading"] == Quality.BAD_DECODING


@pytest.mark.parametrize("moment", ["123519,A,,,,,,,310294", "250000,A,,,,,,,230394", "123519,A,,,,,,,2303"])
def test_a_moment_that_never_was_is_bad(moment: str) -> None:
    assert codes(f"$GPRMC,{moment},,")["rmc_time"] == Quality.BAD_DECODING


def test_a_sentence_that_nobody_asked_for_is_no_loss_and_garbage_is_one() -> None:
    few = Nmea(["RMC"], {}, [], {})
    assert few.scan(b"$GPGSV,3,1,11", 1) is None
    assert few.ignores(b"$GPGSV,3,1,11")
    assert few.ignores(b"$IIXDR,C,19.52,C,Air")
    assert not few.ignores(b"$gprmc,1")
    assert not few.ignores(b"\xff\xfe,1")


def test_each_scan_of_a_sentence_has_the_same_tags_and_all_are_announced() -> None:
    one, two = (ALL.scan(b"$HEHDT,%d,T" % number, 1) for number in (1, 2))
    assert isinstance(one, Scan)
    assert isinstance(two, Scan)
    assert one.tags is two.tags
    assert {tag.name for tag in one.tags} <= {field.tag.name for field in ALL.fields}


def test_ten_thousand_damaged_sentences_give_values_of_their_types_or_nothing() -> None:
    dice, checksum = random.Random(5), Checksum("nmea")
    seeds = [b"$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,"]
    seeds += [b"$GNRMC,123519,A,4807.038,S,01131.000,E,022.4,084.4,230394,003.1,W", b"$WIMWV,214.8,R,36,K,A"]
    seeds += [b"$IIXDR,C,19.52,C,Air Temp,A,-5.5,D,PTCH", b"$GPZDA,201530.00,04,07,2002,00,00", b"$PGRMZ,246,f,3"]
    for _ in range(10_000):
        sentence = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(4)):
            at = dice.randrange(len(sentence))
            sentence[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        payload = checksum.verified(checksum.appended(bytes(sentence[: dice.randrange(1, 90)])))
        scan = None if payload is None else ALL.scan(payload, 1)
        if scan is not None:
            batch_of("x", 0, [scan])

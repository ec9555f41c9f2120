"""The arithmetic of the BME280, against published examples and against Bosch's other (floating point) formulas."""

import random

import pytest

from transports.chips.bme280_compensation import Trimming, humidity, pressure, t_fine, temperature

# The worked example of the BMP280, whose formulas for temperature and pressure are the same (BST-BMP280-DS001, 3.12)
EXAMPLE = Trimming((27504, 26435, -1000), (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000))
# A real sensor of which raw and compensated values are published (the tests of pimoroni/bme280-python)
REAL = Trimming(
    (28009, 25654, 50), (39145, -10750, 3024, 5667, -120, -7, 15500, -14600, 6000), (75, 376, 0, 286, 50, 30)
)


def test_the_worked_example_of_the_data_sheet_comes_out() -> None:
    fine = t_fine(519888, EXAMPLE)
    assert fine == 128422
    assert temperature(fine) == 25.08
    assert pressure(415148, fine, EXAMPLE) == pytest.approx(100653.27, abs=0.05)


def test_a_published_reading_of_a_real_sensor_comes_out() -> None:
    fine = t_fine(529191, REAL)
    assert temperature(fine) == pytest.approx(24.7894877676, abs=0.005)
    assert pressure(326816, fine, REAL) == pytest.approx(100661.517564, abs=0.5)
    assert humidity(30281, fine, REAL) == pytest.approx(68.66996648709039, abs=0.02)


def test_trimming_is_taken_from_its_registers_with_the_shared_nibbles_and_signs_of_humidity() -> None:
    low = bytes.fromhex("6c6e776632 00 a89227d5d00b6f18cafff9ffac260ad8bd10 00 4b")
    assert Trimming.of(low, bytes.fromhex("650100140b001e")) == Trimming(
        (28268, 26231, 50), (37544, -10969, 3024, 6255, -54, -7, 9900, -10230, 4285), (75, 357, 0, 331, 0, 30)
    )
    # H4 and H5 are negative where the highest bit of 0xE4 and 0xE6 is set
    assert Trimming.of(low, bytes.fromhex("65010080f0ff80")).h == (75, 357, 0, -2048, -1, -128)


def test_a_dump_of_a_sensor_posted_to_boschs_forum_gives_its_temperature_and_humidity() -> None:
    low = bytes.fromhex("6c6e776632 00 a89227d5d00b6f18cafff9ffac260ad8bd10 00 4b")
    trimming = Trimming.of(low, bytes.fromhex("650100140b001e"))
    fine = t_fine(0x817FB, trimming)
    assert temperature(fine) == 24.44
    assert humidity(0x7913, fine, trimming) == pytest.approx(54.17, abs=0.01)


def test_whole_numbers_agree_with_boschs_floating_point_over_the_whole_range_of_a_sensor() -> None:
    rng = random.Random(5)
    for _ in range(2000):
        adc_t, adc_p, adc_h = rng.randrange(350_000, 650_000), rng.randrange(200_000, 600_000), rng.randrange(65536)
        fine = t_fine(adc_t, REAL)
        assert temperature(fine) == pytest.approx(_float_t(adc_t) / 5120, abs=0.011)
        assert pressure(adc_p, fine, REAL) == pytest.approx(_float_p(adc_p, fine), abs=1.0)
        assert humidity(adc_h, fine, REAL) == pytest.approx(_float_h(adc_h, fine), abs=0.05)


def test_trimming_that_divides_by_zero_is_no_pressure() -> None:
    assert pressure(415148, 128422, Trimming()) is None


def _float_t(adc: int) -> float:
    """Appendix 8.1."""
    t1, t2, t3 = REAL.t
    return (adc / 16384 - t1 / 1024) * t2 + (adc / 131072 - t1 / 8192) ** 2 * t3


def _float_p(adc: int, fine: float) -> float:
    """Appendix 8.1."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = REAL.p
    a = fine / 2 - 64000
    b = (a * a * p6 / 32768 + a * p5 * 2) / 4 + p4 * 65536
    a = (1 + (p3 * a * a / 524288 + p2 * a) / 524288 / 32768) * p1
    p = (1048576 - adc - b / 4096) * 6250 / a
    return p + (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16


def _float_h(adc: int, fine: float) -> float:
    """Appendix 8.1."""
    h1, h2, h3, h4, h5, h6 = REAL.h
    v = fine - 76800
    v = (adc - (h4 * 64 + h5 / 16384 * v)) * (h2 / 65536 * (1 + h6 / 67108864 * v * (1 + h3 / 67108864 * v)))
    return min(max(v * (1 - h1 * v / 524288), 0.0), 100.0)

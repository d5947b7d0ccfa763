"""A radar's plots as bits: sizes, precision to a tenth of sigma, the ends of the ranges, and a reader of its own."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire.capacity import within_capacity
from lookdown.wire.dictionary import DICTIONARY
from lookdown.wire.dump import json_line, table_line
from lookdown.wire.echoes import LEAST_SIGMA, MEASURED, pack_echoes, unpack_echoes, usable
from lookdown.wire.envelope import Delivery
from lookdown.wire.messages import ECHO_DTYPE, RadarFlag, RadarPlotFlag, RadarReport
from lookdown.wire.packet import decode, encode
from tests.wire import reference_echoes
from tests.wire.samples import radar_report

PACKET = DICTIONARY.packet("RadarReport")
BOUNDS = {value.name: value.bounds for value in PACKET.values}


def there_and_back(echoes: np.ndarray, first_range_m: float = 0.0) -> np.ndarray:
    out = np.zeros(len(echoes), ECHO_DTYPE)
    unpack_echoes(pack_echoes(echoes, first_range_m), out, first_range_m)
    return out


def assert_within_a_tenth_of_sigma(sent: np.ndarray, came: np.ndarray) -> None:
    for name, coarse in MEASURED.items():
        sigma = sent[f"sigma_{name}"].astype(np.float64)
        loss = np.abs(came[name] - sent[name])
        rounding = 2.0**-52 * np.abs(sent[name])
        assert (loss <= np.where(sigma > 0, 0.1 * (1 + 1e-6) * sigma, coarse / 2) + rounding).all(), name
        octaves = np.log2(came[f"sigma_{name}"][sigma > 0] / sigma[sigma > 0])
        assert (np.abs(octaves) <= 0.125 + 1e-6).all()
        assert (came[f"sigma_{name}"][sigma == 0] == 0).all()
    assert (np.abs(came["snr"] - sent["snr"].astype(float)) <= 0.1).all()
    assert (np.abs(came["snr_db"] - sent["snr_db"].astype(float)) <= 0.125 + 1e-6).all()
    for name in ("range_rate", "range_azimuth", "rate_azimuth"):
        assert (np.abs(came[f"correlation_{name}"] - sent[f"correlation_{name}"]) <= 1 / 16).all()
    np.testing.assert_array_equal(came["n_cells"], sent["n_cells"])
    np.testing.assert_array_equal(came["flags"], sent["flags"])


def test_what_a_plot_costs() -> None:
    octets = {n: np.mean([len(encode(radar_report(n, seed))) for seed in range(20)]) for n in (0, 1, 20, 100)}
    assert octets[0] == 83
    assert octets[20] <= 83 + 20 * 12
    assert 8 * (octets[100] - octets[20]) / 80 <= 84  # bits of one more


@st.composite
def plots(draw: st.DrawFn) -> np.ndarray:
    n = draw(st.integers(1, 6))
    echoes = np.zeros(n, ECHO_DTYPE)
    for name, (low, high) in BOUNDS.items():
        width = 8 * ECHO_DTYPE[name].itemsize
        kind = st.integers(int(low), int(high)) if ECHO_DTYPE[name].kind == "u" else st.floats(low, high, width=width)
        if name.startswith("sigma"):
            kind = st.just(0.0) | st.floats(LEAST_SIGMA[name.removeprefix("sigma_")], high, width=32)
        echoes[name] = draw(st.lists(kind, min_size=n, max_size=n))
    echoes["snr"] = np.minimum(echoes["snr"], 1e5)  # beyond, float32 holds no tenth
    return echoes


@settings(max_examples=50, deadline=None)
@given(plots(), st.sampled_from([0.0, 0.125, 979_999.875]))
def test_any_plots_come_back_within_a_tenth_of_sigma_and_lose_no_more(sent: np.ndarray, first_range_m: float) -> None:
    came = there_and_back(sent, first_range_m)
    assert_within_a_tenth_of_sigma(sent, came)
    np.testing.assert_array_equal(there_and_back(came, first_range_m), came)
    own = reference_echoes.read(pack_echoes(sent, first_range_m), len(sent), first_range_m)
    for row, values in zip(came, own, strict=True):
        for name, (low, high) in BOUNDS.items():
            assert row[name] == pytest.approx(min(max(values[name], low), high), rel=1e-6), name


def test_octets_that_hold_other_plots_are_refused() -> None:
    echoes = radar_report(9).echoes
    octets = pack_echoes(echoes, 979_999.875)
    out = np.zeros(9, ECHO_DTYPE)
    for wrong in [octets[:n] for n in range(len(octets))] + [octets + b"\0", octets[:-1] + bytes([octets[-1] | 1, 0])]:
        with pytest.raises(ValueError, match="wanted 9 plots"):
            unpack_echoes(wrong, out, 979_999.875)
    for n in (0, 8, 10):
        with pytest.raises(ValueError, match=f"wanted {n} plots"):
            unpack_echoes(octets, np.zeros(n, ECHO_DTYPE), 979_999.875)


def test_no_octets_break_the_reader() -> None:
    rng, taken = np.random.default_rng(5), 0
    good = pack_echoes(radar_report(4).echoes, 0.0)
    for _ in range(600):
        octets = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            octets[rng.integers(len(octets))] = rng.integers(256)
        out = np.zeros(4, ECHO_DTYPE)
        try:
            unpack_echoes(bytes(octets), out, 0.0)
        except ValueError:
            continue
        taken += 1
        assert usable(out).all()
    assert taken > 20


BAD = [
    ("range_m", np.nan), ("range_m", -1.0), ("range_rate_m_s", 4e4), ("azimuth_rad", 1.6), ("elevation_rad", np.inf),
    ("sigma_range_m", -1.0), ("sigma_azimuth_rad", 1e-13), ("sigma_range_rate_m_s", np.nan), ("snr", -1.0),
    ("snr_db", 1e3), ("correlation_rate_azimuth", 1.5), ("flags", 32),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_plots_out_of_range_are_left_out_counted_and_flagged(name: str, value: float) -> None:
    good, bad = (radar_report(5, n_left_out=7, flags=RadarFlag.DEAD_CHANNEL) for _ in range(2))
    bad.echoes[name][2] = value
    with pytest.raises(ValueError, match=r"echoes\[2\]: wanted .* leave such plots out"):
        encode(bad)
    fitted, n_out_of_range = within_capacity(bad)
    assert isinstance(fitted, RadarReport)
    assert n_out_of_range == 1
    assert (fitted.n_left_out, fitted.flags) == (8, RadarFlag.DEAD_CHANNEL | RadarFlag.OUT_OF_RANGE)
    np.testing.assert_array_equal(fitted.echoes, np.delete(good.echoes, 2))


def test_too_many_plots_are_left_out_counted_and_flagged() -> None:
    fitted, n_out_of_range = within_capacity(radar_report(PACKET.rows + 3, n_left_out=4090, flags=RadarFlag.NONE))
    assert (fitted.n_plots, fitted.flags, n_out_of_range) == (PACKET.rows, RadarFlag.TRUNCATED, 0)
    assert fitted.n_left_out == 4093
    assert len(encode(fitted)) <= 65536


def test_the_dictionary_names_what_the_codec_carries() -> None:
    assert list(BOUNDS) == list(ECHO_DTYPE.names or ())
    assert BOUNDS["flags"] == (0, sum(RadarPlotFlag))


def test_a_recording_shows_them() -> None:
    packet = encode(radar_report(2))
    delivery = Delivery(514, 1, 2, packet)
    line = json.loads(json_line(delivery, decode(packet)))
    assert line["packet"] == "RadarReport"
    assert len(line["echoes"]) == 2
    assert line["echoes"][0]["range_m"] == pytest.approx(radar_report(2).echoes["range_m"][0], abs=0.3)
    assert "2 echoes" in table_line(delivery, decode(packet))

"""Plots as bits: sizes, precision to a tenth of sigma, the ends of the ranges, and a reader of its own."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire import plots
from lookdown.wire.capacity import within_capacity
from lookdown.wire.dictionary import DICTIONARY, MAX_SIGHTS
from lookdown.wire.messages import SIGHT_DTYPE, PlotFlag, ReportFlag
from lookdown.wire.packet import encode
from lookdown.wire.plots import pack_plots, unpack_plots, usable
from tests.wire import reference_plots
from tests.wire.samples import plots_like_those_of_the_default_scenario, report

TENTH = 0.1 * (1 + 1e-6)  # of a sigma; float32 leaves the millionth


def there_and_back(sights: np.ndarray) -> np.ndarray:
    out = np.zeros(len(sights), SIGHT_DTYPE)
    unpack_plots(pack_plots(sights), out)
    return out


def assert_within_a_tenth_of_sigma(sent: np.ndarray, came: np.ndarray) -> None:
    sent64 = {name: sent[name].astype(np.float64) for name in SIGHT_DTYPE.names}
    rounding = 2.0**-24  # float32 itself, where a place is millions of sigmas from the middle
    for place, sigma in (("x", "sigma_x"), ("y", "sigma_y")):
        loss = np.abs(came[place] - sent64[place])
        assert (
            loss <= np.where(sent[sigma] > 0, TENTH * sent64[sigma], 2.0**-28) + rounding * np.abs(sent64[place])
        ).all()
        assert (came[sigma] <= sent64[sigma] * 2**0.125 * 1.000001).all()
        assert (came[sigma] >= sent64[sigma] / 2**0.125 / 1.000001).all()
    assert (np.abs(came["snr"] - sent64["snr"]) <= TENTH).all()
    noise = np.abs(sent64["amplitude"]) / np.maximum(sent64["snr"], 0.9)
    loss = np.abs(came["amplitude"] - sent64["amplitude"])
    assert (loss <= TENTH * noise + rounding * np.abs(sent64["amplitude"]) + 1e-37).all()
    assert (np.abs(came["correlation"] - sent64["correlation"]) <= 1 / 16).all()
    np.testing.assert_array_equal(came["n_pixels"], sent["n_pixels"])
    np.testing.assert_array_equal(came["flags"], sent["flags"])


@pytest.mark.parametrize("seed", range(40))
def test_twenty_plots_fit_in_200_octets(seed: int) -> None:
    data = encode(report(20, seed))
    assert len(data) <= 200  # 80 bits a plot with all headers, sensor state and CRC


def test_bits_a_plot_fall_with_their_number() -> None:
    sizes = {n: np.mean([8 * len(encode(report(n, seed))) / n for seed in range(40)]) for n in (10, 20, 40, 200)}
    assert sizes[20] < 77.5
    assert sizes[40] < 65
    assert sizes[200] < 54


@pytest.mark.parametrize("seed", range(20))
def test_loss_is_below_a_tenth_of_sigma(seed: int) -> None:
    sent = plots_like_those_of_the_default_scenario(200, np.random.default_rng(seed))
    assert_within_a_tenth_of_sigma(sent, there_and_back(sent))


def test_one_bright_plot_costs_itself_alone() -> None:
    sent = plots_like_those_of_the_default_scenario(20, np.random.default_rng(3))
    plain = len(pack_plots(sent))
    sent[0]["snr"], sent[0]["amplitude"], sent[0]["n_pixels"] = 4000.0, 25_000.0, 900
    sent[0]["sigma_x"] = sent[0]["sigma_y"] = 2e-8
    assert (
        len(pack_plots(sent)) <= plain + 22
    )  # 170 bits: two sigmas and a count beyond all others, two steps of SNR, 12 bits more of each place
    assert_within_a_tenth_of_sigma(sent, there_and_back(sent))


tangents = st.floats(-16, 16, width=32)
sigmas = st.one_of(st.just(0.0), st.floats(2.0**-40, 4, width=32))
amplitudes = st.one_of(
    st.just(0.0), st.floats(2.0**-96, 2.0**99, width=32), st.floats(-(2.0**99), -(2.0**-96), width=32)
)
rows = st.tuples(
    *[tangents] * 2,
    *[sigmas] * 2,
    amplitudes,
    st.floats(0, 1e6, width=32),
    st.floats(-1, 1, width=32),
    st.integers(0, 65535),
    st.integers(0, 255),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(rows, max_size=6))
def test_any_plots_within_the_ranges_come_back_to_a_tenth_of_sigma(values: list) -> None:
    sent = np.array(values, SIGHT_DTYPE)
    assert usable(sent).all()
    came = there_and_back(sent)
    assert_within_a_tenth_of_sigma(sent, came)
    again = there_and_back(came)
    for name in ("sigma_x", "sigma_y", "snr", "n_pixels", "flags", "correlation"):
        np.testing.assert_array_equal(again[name], came[name])


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, max_size=6))
def test_a_reader_in_plain_python_sees_the_same(values: list) -> None:
    sent = np.array(values, SIGHT_DTYPE)
    octets = pack_plots(sent)
    out = np.zeros(len(sent), SIGHT_DTYPE)
    unpack_plots(octets, out)
    read = np.array([astuple(plot) for plot in reference_plots.read(octets, len(sent))], SIGHT_DTYPE)
    for name in SIGHT_DTYPE.names:
        np.testing.assert_allclose(out[name], read[name], rtol=2e-7, atol=0)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 9))
def test_any_octets_are_plots_within_the_ranges_or_refused(octets: bytes, n: int) -> None:
    out = np.zeros(n, SIGHT_DTYPE)
    try:
        unpack_plots(octets, out)
    except ValueError:
        return
    assert usable(out).all()


def test_each_cut_and_each_surplus_is_refused() -> None:
    sent = plots_like_those_of_the_default_scenario(9, np.random.default_rng(0))
    octets = pack_plots(sent)
    out = np.zeros(9, SIGHT_DTYPE)
    for wrong in [octets[:n] for n in range(len(octets))] + [octets + b"\0", octets[:-1] + bytes([octets[-1] | 1, 0])]:
        with pytest.raises(ValueError, match="wanted 9 plots"):
            unpack_plots(wrong, out)
    with pytest.raises(ValueError, match="wanted 8 plots"):
        unpack_plots(octets, out[:8])
    with pytest.raises(ValueError, match="wanted 10 plots"):
        unpack_plots(octets, np.zeros(10, SIGHT_DTYPE))
    with pytest.raises(ValueError, match="wanted 0 plots"):
        unpack_plots(octets, out[:0])


BAD = [
    ("x", 16.1), ("y", -17.0), ("x", np.nan), ("sigma_x", -1e-6), ("sigma_y", np.inf), ("sigma_x", 1e-13),
    ("amplitude", np.nan), ("amplitude", -2e30), ("snr", -0.1), ("snr", 2e6), ("correlation", 1.5), ("flags", 256),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_plots_out_of_range_are_left_out_counted_and_flagged(name: str, value: float) -> None:
    good = report(5, n_left_out=7, flags=ReportFlag.WARM_UP)
    bad = report(5, n_left_out=7, flags=ReportFlag.WARM_UP)
    bad.sights[name][2] = value
    with pytest.raises(ValueError, match=r"sights\[2\]: wanted .* leave such plots out"):
        encode(bad)
    fitted, n_out_of_range = within_capacity(bad)
    assert n_out_of_range == 1
    assert (fitted.n_left_out, fitted.flags) == (8, ReportFlag.WARM_UP | ReportFlag.OUT_OF_RANGE)
    np.testing.assert_array_equal(fitted.sights, np.delete(good.sights, 2))
    assert within_capacity(good) == (good, 0)


def test_too_many_plots_are_left_out_counted_and_flagged() -> None:
    full = report(MAX_SIGHTS + 3, n_left_out=4090, flags=ReportFlag.NONE)
    fitted, n_out_of_range = within_capacity(full)
    assert (len(fitted.sights), fitted.flags, n_out_of_range) == (MAX_SIGHTS, ReportFlag.TRUNCATED, 0)
    assert fitted.n_left_out == 4093
    assert within_capacity(report(MAX_SIGHTS + 3, n_left_out=4094))[0].n_left_out == 4095


def test_the_dictionary_says_what_the_kernel_does() -> None:
    values = {value.name: value.bounds for value in DICTIONARY.packet("PlotReport").values}
    assert list(values) == list(SIGHT_DTYPE.names)
    assert values["x"] == values["y"] == (-plots.LARGEST_TANGENT, plots.LARGEST_TANGENT)
    assert values["sigma_x"] == values["sigma_y"] == (0.0, plots.LARGEST_SIGMA)
    assert values["amplitude"] == (-plots.LARGEST_AMPLITUDE, plots.LARGEST_AMPLITUDE)
    assert values["snr"] == (0.0, plots.LARGEST_SNR)
    assert values["flags"] == (0, plots.KNOWN_FLAGS)
    assert sum(PlotFlag) <= plots.KNOWN_FLAGS

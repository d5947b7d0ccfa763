"""Frames: round trip without a copy, and refusal of damaged or misfit parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lookdown.wire.errors import WireError
from lookdown.wire.frames import decode_frame, encode_frame
from lookdown.wire.messages import End, Frame, SensorState
from lookdown.wire.packet import encode

STATE = SensorState(np.array([7e6, 1.0, 2.0]), np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), 5.0, 2.0**-15, 2.0**-15)


def frame(samples: np.ndarray, state: SensorState | None = STATE) -> Frame:
    return Frame(3, 4, 5_000, 0.02, samples, state)


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.booleans())
def test_round_trip(samples: np.ndarray, pointing: bool) -> None:
    sent = frame(samples, STATE if pointing else None)
    got, injected_ns = decode_frame(encode_frame(sent, injected_ns=77))
    assert injected_ns == 77
    assert (got.sensor_id, got.frame_id, got.time_ns, got.integration_time_s) == (3, 4, 5_000, 0.02)
    np.testing.assert_array_equal(got.samples, samples)
    assert got.samples.dtype == np.uint16
    if pointing:
        assert got.state is not None
        np.testing.assert_array_equal(got.state.position_m, STATE.position_m)
        assert got.state.ifov_rad == STATE.ifov_rad
    else:
        assert got.state is None


def test_samples_are_not_copied() -> None:
    samples = np.arange(12, dtype=np.uint16).reshape(3, 4)
    parts = encode_frame(frame(samples))
    got, _ = decode_frame(parts)
    assert np.shares_memory(got.samples, samples)


def test_a_slice_of_a_larger_frame_is_sent_row_by_row() -> None:
    big = np.arange(20, dtype=np.uint16).reshape(4, 5)
    got, _ = decode_frame(encode_frame(frame(big[:, 1:3])))
    np.testing.assert_array_equal(got.samples, big[:, 1:3])


def test_misfit_parts_are_refused() -> None:
    header, samples = encode_frame(frame(np.zeros((3, 4), np.uint16)))
    damaged = bytearray(samples)
    damaged[5] ^= 1
    cases = {
        "parts": [[header], [], [header, samples, b""]],
        "shape": [[header, samples[:-1]], [header, b""], [header, bytes(samples) + b"\0"]],
        "crc": [[header, damaged], [header[:-1] + bytes([header[-1] ^ 1]), samples]],
        "type": [[encode(End(1, 2, 3)), samples]],
        "truncated": [[header[:10], samples]],
    }
    for reason, several in cases.items():
        for parts in several:
            with pytest.raises(WireError) as caught:
                decode_frame(parts)
            assert caught.value.reason == reason


@pytest.mark.parametrize("samples", [np.zeros((2, 2)), np.zeros(3, np.uint16), np.zeros((2, 2, 2), np.uint16)])
def test_misuse_is_named(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="samples: wanted uint16"):
        encode_frame(frame(samples))


def test_a_frame_without_pixels_is_not_sent() -> None:
    with pytest.raises(ValueError, match="rows: wanted 1 to 65535 px, came 0"):
        encode_frame(frame(np.zeros((0, 3), np.uint16)))

"""Mutated packets: none crashes the reader, none is taken for what was not sent, each refusal has a reason."""

from collections import Counter

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire.errors import WireError
from lookdown.wire.packet import decode, encode
from tests.wire.samples import MESSAGES, report

REASONS = {"truncated", "length", "version", "header", "crc", "type", "field"}
PACKETS = [encode(message, n) for n, message in enumerate(MESSAGES)]
FORGED_SHARE = 4  # one in four gets a right length and CRC, so that the fields themselves are reached


def mutated(rng: np.random.Generator) -> tuple[bytes, bytes]:
    """Return a packet and what became of it on a bad way: bits turned, octets lost, repeated, moved or mixed."""
    sent = PACKETS[rng.integers(len(PACKETS))]
    data = bytearray(sent)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(len(data) or 1)), rng.integers(7)
        if kind == 0 and data:
            data[at] ^= 1 << rng.integers(8)
        elif kind == 1 and data:
            data[at] = rng.integers(256)
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 4:
            data[at : at + 8] = rng.bytes(8)
        elif kind == 5:
            other = PACKETS[rng.integers(len(PACKETS))]
            data = data[:at] + other[at:]
        else:
            data = data[: int(rng.integers(len(data) + 1))]
    return sent, bytes(data)


def forged(data: bytes) -> bytes:
    """Make length and CRC of a packet right."""
    body = bytearray(data[:-4])
    body[4:6] = (len(body) + 4 - 7).to_bytes(2, "big")
    return bytes(body) + google_crc32c.value(bytes(body)).to_bytes(4, "big")


def fuzz(n_packets: int, seed: int) -> Counter[str]:
    """Give the reader mutated packets; count what came of them."""
    rng = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    originals = set(PACKETS)
    for _ in range(n_packets):
        _, data = mutated(rng)
        with_right_crc = not rng.integers(FORGED_SHARE) and len(data) > 12
        if with_right_crc:
            data = forged(data)
        try:
            message = decode(data)
        except WireError as error:
            counts[error.reason] += 1
            continue
        if with_right_crc:
            encode(message)  # within every bound, or this raises
            counts["forged"] += 1
        else:
            assert data in originals, data.hex()  # mixed back to what was sent
            counts["whole"] += 1
    return counts


def check(counts: Counter[str], n_packets: int) -> None:
    assert counts.total() == n_packets
    assert set(counts) <= REASONS | {"forged", "whole"}
    assert set(counts) >= REASONS | {"forged"}
    assert counts["crc"] > n_packets // 10


def test_mutated_packets(request: pytest.FixtureRequest) -> None:
    n_packets = request.config.getoption("--packets")
    check(fuzz(n_packets, 1), n_packets)


@pytest.mark.proof
def test_a_million_mutated_packets() -> None:
    check(fuzz(1_000_000, 2), 1_000_000)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(0, 2**32 - 1), st.data())
def test_up_to_four_turned_bits_of_any_report_are_refused(n: int, seed: int, data: st.DataObject) -> None:
    # CRC-32C: Hamming distance 6 up to 5243 bits (Koopman 2002), and this is within it.
    packet = encode(report(n, seed))
    assert 8 * len(packet) <= 5243
    bits = data.draw(st.sets(st.integers(0, 8 * len(packet) - 1), min_size=1, max_size=4))
    turned = bytearray(packet)
    for bit in bits:
        turned[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        decode(turned)

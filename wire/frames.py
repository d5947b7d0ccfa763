"""Frames between processes: a two-part message of header packet and raw samples.

The header is a packet like any other (`FrameHeader`, of a radar's interval `IntervalHeader` in the dictionary). The
samples are uint16, row by row, or of an interval complex64, channel by channel and pulse by pulse; little-endian, they
travel without a copy. Each part has its CRC-32C. The way is local and lossy: what comes too fast is dropped by the
giver, and the taker counts the gap in ``frame_id``.
"""

import sys
from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from lookdown.wire.errors import WireError
from lookdown.wire.messages import Frame, FrameHeader, Interval, IntervalHeader
from lookdown.wire.packet import decode, encode

Part: TypeAlias = bytes | bytearray | memoryview


def encode_frame(frame: Frame | Interval, injected_ns: int = 0, sequence: int = 0) -> list[bytes | memoryview]:
    """Turn a frame into the parts of one ZeroMQ message.

    Parameters
    ----------
    frame : Frame or Interval
        Samples uint16, shape (rows, cols), or complex64, shape (channels, pulses, samples); each side 1 to 65535.
    injected_ns : int
        Instant at which the frame is handed over, TAI [ns].
    sequence : int
        Sequence count of the header packet.

    Returns
    -------
    list of bytes and memoryview
        Header packet and samples. The samples are those of the frame, not a copy: leave them alone until sent.

    Raises
    ------
    ValueError
        Samples of another type or shape, or a field out of the bounds of the dictionary.
    """
    wanted, axes = (np.uint16, 2) if isinstance(frame, Frame) else (np.complex64, 3)
    if frame.samples.dtype != wanted or frame.samples.ndim != axes:
        names = "uint16 [rows, cols]" if axes == 2 else "complex64 [channels, pulses, samples]"
        raise ValueError(f"samples: wanted {names}, came {frame.samples.dtype} {frame.samples.shape}")
    samples = np.ascontiguousarray(frame.samples, np.dtype(wanted).newbyteorder("<"))
    crc = google_crc32c.value(samples.view(np.uint8))
    who = frame.sensor_id, frame.frame_id, frame.time_ns
    header: FrameHeader | IntervalHeader
    if isinstance(frame, Frame):
        rows, cols = samples.shape
        header = FrameHeader(*who, frame.integration_time_s, injected_ns, rows, cols, crc, frame.state)
    else:
        channels, pulses, n = samples.shape
        header = IntervalHeader(
            *who, frame.prf_hz, frame.first_range_m, injected_ns, channels, pulses, n, crc, frame.state
        )
    return [encode(header, sequence), samples.data.cast("B")]


def shape_of(header: FrameHeader | IntervalHeader) -> tuple[int, ...]:
    """Return the shape of the samples that a header announces."""
    if isinstance(header, FrameHeader):
        return header.rows, header.cols
    return header.channels, header.pulses, header.samples


def octets_of(header: FrameHeader | IntervalHeader) -> int:
    """Return the octets of the samples that a header announces."""
    return prod(shape_of(header)) * (2 if isinstance(header, FrameHeader) else 8)


def decode_frame(parts: Sequence[Part]) -> tuple[Frame | Interval, int]:
    """Turn the parts of a message into a frame and the instant at which it was handed over.

    Parameters
    ----------
    parts : sequence of bytes-like
        Header packet and samples.

    Returns
    -------
    frame : Frame or Interval
        Its samples are a view of the second part, not a copy.
    injected_ns : int
        Instant at which the frame was handed over, TAI [ns].

    Raises
    ------
    WireError
        Reasons of `lookdown.wire.packet.decode`, and: ``parts`` (not two), ``type`` (another message), ``shape``
        (samples of another size than announced), ``crc`` (damaged samples).
    """
    if len(parts) != 2:
        raise WireError("parts", f"wanted header and samples, came {len(parts)} part(s)")
    header = decode(parts[0])
    if not isinstance(header, FrameHeader | IntervalHeader):
        raise WireError("type", f"wanted a FrameHeader or an IntervalHeader, came {type(header).__name__}")
    octets = np.frombuffer(parts[1], np.uint8)
    shape = shape_of(header)
    if octets.size != octets_of(header):
        announced = " x ".join(map(str, (*shape, octets_of(header) // prod(shape))))
        raise WireError("shape", f"header announces {announced} octets, came {octets.size}")
    came = google_crc32c.value(octets)
    if came != header.samples_crc:
        raise WireError("crc", f"samples: wanted {header.samples_crc:08x}, came {came:08x}")
    kind = np.dtype("<u2" if isinstance(header, FrameHeader) else "<c8")
    samples: NDArray[Any] = octets.view(kind).reshape(shape)
    if sys.byteorder == "big":
        samples = samples.astype(kind.newbyteorder("="))
    who = header.sensor_id, header.frame_id, header.time_ns
    if isinstance(header, FrameHeader):
        return Frame(*who, header.integration_time_s, samples, header.state), header.injected_ns
    return Interval(*who, header.prf_hz, header.first_range_m, samples, header.state), header.injected_ns

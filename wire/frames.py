"""Frames between processes: a two-part message of header packet and raw samples.

The header is a packet like any other (`FrameHeader` in the dictionary), the samples are uint16, little-endian, row by
row, and travel without a copy. Each part has its CRC-32C. The way is local and lossy: what comes too fast is dropped
by the giver, and the taker counts the gap in ``frame_id``.
"""

import sys
from collections.abc import Sequence
from typing import TypeAlias

import google_crc32c
import numpy as np

from lookdown.wire.errors import WireError
from lookdown.wire.messages import Frame, FrameHeader
from lookdown.wire.packet import decode, encode

Part: TypeAlias = bytes | bytearray | memoryview


def encode_frame(frame: Frame, injected_ns: int = 0, sequence: int = 0) -> list[bytes | memoryview]:
    """Turn a frame into the parts of one ZeroMQ message.

    Parameters
    ----------
    frame : Frame
        Samples uint16, shape (rows, cols), each side 1 to 65535.
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
    if frame.samples.dtype != np.uint16 or frame.samples.ndim != 2:
        raise ValueError(f"samples: wanted uint16 [rows, cols], came {frame.samples.dtype} {frame.samples.shape}")
    samples = np.ascontiguousarray(frame.samples, "<u2")
    header = FrameHeader(
        sensor_id=frame.sensor_id,
        frame_id=frame.frame_id,
        time_ns=frame.time_ns,
        integration_time_s=frame.integration_time_s,
        injected_ns=injected_ns,
        rows=samples.shape[0],
        cols=samples.shape[1],
        samples_crc=google_crc32c.value(samples),
        state=frame.state,
    )
    return [encode(header, sequence), samples.data.cast("B")]


def decode_frame(parts: Sequence[Part]) -> tuple[Frame, int]:
    """Turn the parts of a message into a frame and the instant at which it was handed over.

    Parameters
    ----------
    parts : sequence of bytes-like
        Header packet and samples.

    Returns
    -------
    frame : Frame
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
    if not isinstance(header, FrameHeader):
        raise WireError("type", f"wanted a FrameHeader, came {type(header).__name__}")
    octets = np.frombuffer(parts[1], np.uint8)
    if octets.size != 2 * header.rows * header.cols:
        raise WireError("shape", f"header announces {header.rows} x {header.cols} x 2 octets, came {octets.size}")
    came = google_crc32c.value(octets)
    if came != header.samples_crc:
        raise WireError("crc", f"samples: wanted {header.samples_crc:08x}, came {came:08x}")
    samples = octets.view("<u2").reshape(header.rows, header.cols)
    if sys.byteorder == "big":
        samples = samples.astype(np.uint16)
    frame = Frame(header.sensor_id, header.frame_id, header.time_ns, header.integration_time_s, samples, header.state)
    return frame, header.injected_ns

"""Fixed fields of a packet: from the attributes of a message to one whole number, and back.

The bits of all fields are one number of Python, highest first; a field is a shift and a mask of it. Values outside
the bounds of the dictionary are refused on both ways; what has bits to spare for no wrong value is not looked at.
"""

import math
import struct
from collections.abc import Callable
from enum import IntEnum, IntFlag
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from lookdown.wire.dictionary import Field

Decode = Callable[[int], Any]
Encode = Callable[[Any], int]

_UNIT_TOLERANCE = 1e-6
_LEAST_LARGEST = 0.4999  # the largest part of a unit quaternion is a half at least


def codec_of(field: Field, end: int) -> tuple[Decode, Encode]:
    """Return what takes a field from a number that ends at bit ``end`` of the packet, and what makes its bits.

    Both raise ValueError, with the field's name, for a value out of its bounds.
    """
    if field.kind == "quaternion":
        return _quaternion(field, end)
    if field.count == 1:
        return _scalar(field, end)
    single = [_scalar(element, end) for element in field.elements()]
    takers, count, bits = [decode for decode, _ in single], field.count, field.bits
    encode_one = single[0][1]
    if field.kind == "signed" and field.low is None and field.high is None:
        # What fills its bits needs no look at bounds: a third of the time, for two fields of each report.
        decode = _signed_array([element.at for element in field.elements()], field, end)
    else:

        def decode(word: int) -> Any:
            return np.array([take(word) for take in takers])

    def encode(value: Any) -> int:
        array = np.asarray(value, np.float64)
        if array.shape != (count,):
            raise ValueError(f"{field.name}: wanted shape ({count},), came {array.shape}")
        word = 0
        for one in array.tolist():
            word = word << bits | encode_one(one)
        return word

    return decode, encode


def _signed_array(places: list[int], field: Field, end: int) -> Decode:
    """Take several signed values at once; ``(raw ^ sign) - sign`` is raw as two's complement."""
    shifts, mask, sign, scale = (
        [end - at - field.bits for at in places],
        (1 << field.bits) - 1,
        1 << field.bits - 1,
        field.scale,
    )

    def decode(word: int) -> Any:
        return np.array([((word >> shift & mask ^ sign) - sign) * scale for shift in shifts])

    return decode


def _scalar(field: Field, end: int) -> tuple[Decode, Encode]:
    """Shift, mask and form of a single value."""
    shift, mask = end - field.at - field.bits, (1 << field.bits) - 1
    low, high = field.bounds
    if field.kind == "float":
        return _float(field, shift)
    if field.kind == "octave":
        return _octave(field, shift)
    scale = field.scale
    sign = 1 << field.bits - 1 if field.kind == "signed" else 0
    least, most = (-sign, sign - 1) if sign else (0, mask)
    # Full bits need no look at the bounds, and whole numbers no scale: most fields are both.
    bounded = field.low is not None or field.high is not None
    whole = scale == 1.0

    def decode(word: int) -> Any:
        raw = word >> shift & mask
        if sign and raw & sign:
            raw -= mask + 1
        value = raw if whole else raw * scale
        if bounded and not low <= value <= high:
            raise _out_of_bounds(field, value)
        return value

    def encode(value: Any) -> int:
        if not low <= value <= high:
            raise _out_of_bounds(field, value)
        if not whole:
            steps: int = round(value / scale)
            return max(least, min(steps, most)) & mask
        raw: int = int(value)
        if raw != value:
            raise ValueError(f"{field.name}: wanted a whole number, came {value}")
        return raw & mask

    return decode, encode


def _float(field: Field, shift: int) -> tuple[Decode, Encode]:
    form = struct.Struct(">f" if field.bits == 32 else ">d")
    octets, mask = field.bits // 8, (1 << field.bits) - 1
    low, high = field.bounds

    def decode(word: int) -> Any:
        value = form.unpack((word >> shift & mask).to_bytes(octets, "big"))[0]
        if not low <= value <= high:
            raise _out_of_bounds(field, value)
        return value

    def encode(value: Any) -> int:
        if not low <= value <= high:
            raise _out_of_bounds(field, value)
        return int.from_bytes(form.pack(value), "big")

    return decode, encode


def _octave(field: Field, shift: int) -> tuple[Decode, Encode]:
    mask, per_octave, zero = (1 << field.bits) - 1, field.per_octave, field.zero
    low, high = field.bounds

    @lru_cache(1024)
    def value_of(raw: int) -> float:
        value = 2.0 ** ((raw - zero) / per_octave) if raw else 0.0
        if not low <= value <= high:
            raise _out_of_bounds(field, value)
        return value

    def decode(word: int) -> Any:
        return value_of(word >> shift & mask)

    @lru_cache(1024)
    def encode(value: Any) -> int:
        if not low <= value <= high:
            raise _out_of_bounds(field, value)
        raw = zero + round(per_octave * math.log2(value)) if value else 0
        if value and not 1 <= raw <= mask:
            raise _out_of_bounds(field, value)
        return raw

    return decode, encode


def _quaternion(field: Field, end: int) -> tuple[Decode, Encode]:
    """Leave out the largest part, which the others tell but for its sign; a rotation has two quaternions."""
    bits, scale = field.bits, field.scale
    most, mask, sign = (1 << bits - 1) - 1, (1 << bits) - 1, 1 << bits - 1
    last = end - field.at - field.size

    def decode(word: int) -> Any:
        word >>= last
        a, b, c = parts = [((word >> shift & mask ^ sign) - sign) * scale for shift in (2 * bits, bits, 0)]
        rest = 1.0 - a * a - b * b - c * c
        largest = math.sqrt(rest) if rest > 0.0 else 0.0
        if largest < _LEAST_LARGEST:
            raise ValueError(f"{field.name}: wanted three parts that leave one of a half or more, came {parts}")
        parts.insert(word >> 3 * bits & 3, largest)
        return np.array(parts)

    def encode(value: Any) -> int:
        parts = np.asarray(value, np.float64).tolist()
        norm = math.hypot(*parts) if len(parts) == 4 else math.nan
        if not abs(norm - 1.0) <= _UNIT_TOLERANCE:
            raise ValueError(f"{field.name}: wanted a unit quaternion, came {parts}")
        sizes = [abs(part) for part in parts]
        word = sizes.index(max(sizes))
        step = scale * norm if parts.pop(word) > 0.0 else -scale * norm
        for part in parts:
            word = word << bits | max(-most, min(round(part / step), most)) & mask
        return word

    return decode, encode


class FixedFields:
    """Fields in order of their place: to octets and back.

    Parameters
    ----------
    fields : list of Field
        Fields without a hole between them; ``at`` counts from where their packet or group begins.
    enumerations : dict of str to type
        Class of each enumeration that a field may have.
    """

    def __init__(self, fields: list[Field], enumerations: dict[str, type[IntEnum] | type[IntFlag]]) -> None:
        self.start = fields[0].at
        self.end = fields[-1].at + fields[-1].size
        self.octets = (self.end - self.start) // 8
        self._plan = []
        for f in fields:
            decode, encode = codec_of(f, self.end)
            if f.enumeration:
                decode = _named(f, decode, enumerations[f.enumeration])
            self._plan.append((f.name, attrgetter(f.name), f.size, decode, encode))

    def pack(self, message: Any) -> int:
        """Return the bits of a message's attributes as a number; ValueError for a value out of its bounds."""
        word = 0
        for name, take, size, _, encode in self._plan:
            try:
                word = word << size | encode(take(message))
            except (TypeError, OverflowError) as error:
                raise ValueError(f"{name}: cannot be packed: {error}") from None
        return word

    def unpack(self, word: int) -> dict[str, Any]:
        """Return the values by name; ValueError if one is out of its bounds."""
        return {name: decode(word) for name, _, _, decode, _ in self._plan}


def _named(field: Field, decode: Decode, names: type[IntEnum] | type[IntFlag]) -> Decode:
    """Turn values into members of an enumeration; ValueError for one that has no name."""
    known: dict[int, Any] = {}
    if issubclass(names, IntFlag):
        known = {value: names(value) for value in range(sum(names) + 1) if not value & ~sum(names)}
    else:
        known = {member.value: member for member in names}

    def decode_named(word: int) -> Any:
        value = decode(word)
        if value not in known:
            raise ValueError(f"{field.name}: wanted a {names.__name__} ({[m.name for m in names]}), came {value}")
        return known[value]

    return decode_named


def _out_of_bounds(field: Field, value: Any) -> ValueError:
    low, high = field.bounds
    return ValueError(f"{field.name}: wanted {low:g} to {high:g} {field.enumeration or field.unit}, came {value}")

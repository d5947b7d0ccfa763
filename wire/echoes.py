"""The plots of a radar report as a run of bits, column after column.

A value is rounded to a step of which half is below a tenth of its sigma as sent; sigmas go as quarter octaves,
``2 ** ((code - 161) / 4)``. Each column is then whole numbers: its least as a base, and what is above it in as many
bits as the largest needs, so that a column whose values are all alike costs two bytes however many plots there are.
``docs/link.md`` lists the bits; ``tests/wire/reference_echoes.py`` reads them in plain Python.

Steps are computed from what was sent, with multiplications and tables alone: equal plots give equal octets on every
machine, and no more of a value is lost when it is sent a second time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.wire.dictionary import DICTIONARY

Codes = NDArray[np.int64]

STEP = 0.183  # of a value, in sigmas as sent: half of it, times 2 ** (1 / 8), is 0.0998
SIGMA_ZERO, SIGMA_TOP = 161, 255  # code of sigma 1; code 1 is 2 ** -40, code 0 no sigma
SNR_STEP, SNR_DB_STEP = 0.1875, 0.25
CORRELATION_TOP = 15
_MOST_BITS = 52
_QUARTERS = np.array([1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429])
_BETWEEN = np.array([0.5452538663326288, 0.6484197773255048, 0.7711054127039704, 0.9170040432046712])

MEASURED = {"range_m": 0.125, "range_rate_m_s": 2.0**-7, "azimuth_rad": 2.0**-27, "elevation_rad": 2.0**-27}
"""Values with a sigma of their own, and their steps where it is 0, in order."""
LEAST_SIGMA = dict(zip(MEASURED, (2.0**-20, 2.0**-30, 2.0**-40, 2.0**-40), strict=True))
"""Smallest sigmas above 0: with them steps of the whole range stay within 52 bits."""
CORRELATIONS = "correlation_range_rate", "correlation_range_azimuth", "correlation_rate_azimuth"
_COLUMNS = 2 * len(MEASURED) + len(CORRELATIONS) + 4

_BOUNDS = {value.name: value.bounds for value in DICTIONARY.packet("RadarReport").values}


def sigma_name(name: str) -> str:
    """Return the name of the sigma of a measured value."""
    return f"sigma_{name}"


def usable(echoes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which plots are within the ranges that a report can carry, shape (n,)."""
    good = np.ones(len(echoes), np.bool_)
    for name, (low, high) in _BOUNDS.items():
        good &= (echoes[name] >= low) & (echoes[name] <= high)  # nan is neither
    for name in MEASURED:
        sigma = echoes[sigma_name(name)]
        good &= (sigma == 0) | (sigma >= LEAST_SIGMA[name])
    return good


def pack_echoes(echoes: NDArray[Any], first_range_m: float) -> bytes:
    """Turn plots into octets.

    Parameters
    ----------
    echoes : ndarray of ECHO_DTYPE, shape (n,)
        Plots, each `usable`.
    first_range_m : float
        Range from which ranges are counted, as it is sent [m].

    Returns
    -------
    bytes
        The run of bits, filled up to whole octets with zeros; empty for no plots.

    Raises
    ------
    ValueError
        A plot is out of range.
    """
    if not len(echoes):
        return b""
    bad = np.flatnonzero(~usable(echoes))
    if bad.size:
        raise ValueError(
            f"echoes[{bad[0]}]: wanted values within the ranges of the dictionary and sigmas 0 or from "
            f"{list(LEAST_SIGMA.values())} on, came {echoes[bad[0]]}; leave such plots out and count them"
        )
    columns: list[Codes] = []
    for name, coarse in MEASURED.items():
        sigma = _quarter_octaves(echoes[sigma_name(name)].astype(np.float64))
        value = echoes[name] - (first_range_m if name == "range_m" else 0.0)
        columns += [sigma, np.rint(value / _steps(sigma, coarse)).astype(np.int64)]
    for name in CORRELATIONS:
        code = np.rint(16 * echoes[name].astype(np.float64))
        columns.append(np.clip(code, -CORRELATION_TOP, CORRELATION_TOP).astype(np.int64))
    for name, step in (("snr", SNR_STEP), ("snr_db", SNR_DB_STEP), ("n_cells", 1), ("flags", 1)):
        columns.append(np.rint(echoes[name].astype(np.float64) / step).astype(np.int64))
    return np.packbits(np.concatenate([_bits_of_column(column) for column in columns])).tobytes()


def unpack_echoes(octets: bytes, out: NDArray[Any], first_range_m: float) -> None:
    """Turn octets into plots.

    Parameters
    ----------
    octets : bytes
        What `pack_echoes` made.
    out : ndarray of ECHO_DTYPE, shape (n,)
        Receives the plots.
    first_range_m : float
        As it was sent [m].

    Raises
    ------
    ValueError
        The octets do not hold ``n`` plots, no more and no less, within the ranges.
    """
    columns = _columns_of(np.unpackbits(np.frombuffer(octets, np.uint8)), len(out)) if len(out) else []
    broken = columns is None or (not len(out) and len(octets) > 0)
    if columns:
        with np.errstate(all="ignore"):
            broken = not _fill(out, columns, first_range_m)
    if broken:
        raise ValueError(f"echoes: wanted {len(out)} plots within the ranges, came {len(octets)} octets of others")


def _fill(out: NDArray[Any], columns: list[Codes], first_range_m: float) -> bool:
    """Fill plots from the whole numbers of their columns; return whether all are within the ranges."""
    for place, (name, coarse) in enumerate(MEASURED.items()):
        sigma, code = columns[2 * place : 2 * place + 2]
        if (sigma < 0).any() or (sigma > SIGMA_TOP).any():
            return False
        value = code * _steps(sigma, coarse) + (first_range_m if name == "range_m" else 0.0)
        # A value at the end of its range may have been rounded to beyond it.
        low, high = _BOUNDS[name]
        slack = _steps(sigma, coarse)
        out[name] = np.where((value >= low - slack) & (value <= high + slack), np.clip(value, low, high), np.nan)
        out[sigma_name(name)] = _of_quarter_octaves(sigma)
    rest = columns[2 * len(MEASURED) :]
    for name, code in zip(CORRELATIONS, rest, strict=False):
        out[name] = np.where(np.abs(code) <= CORRELATION_TOP, code / 16, np.nan)
    snr, snr_db, n_cells, flags = rest[len(CORRELATIONS) :]
    out["snr"], out["snr_db"] = snr * SNR_STEP, snr_db * SNR_DB_STEP
    for name, code in (("n_cells", n_cells), ("flags", flags)):
        if (code < 0).any() or (code > _BOUNDS[name][1]).any():
            return False
        out[name] = code
    return bool(usable(out).all())


def _quarter_octaves(value: NDArray[np.float64]) -> Codes:
    """Nearest codes in the logarithm; 0 for 0."""
    part, exponent = np.frexp(value)
    code = SIGMA_ZERO + 4 * (exponent.astype(np.int64) - 1) + (part[:, None] >= _BETWEEN).sum(axis=1)
    return np.where(value > 0, code, 0)


def _of_quarter_octaves(code: Codes) -> NDArray[np.float64]:
    above = code - SIGMA_ZERO + 4096  # so that shift and mask see a positive number
    return np.where(code > 0, np.ldexp(_QUARTERS[above & 3], ((above >> 2) - 1024).astype(np.int32)), 0.0)


def _steps(sigma: Codes, coarse: float) -> NDArray[np.float64]:
    return np.where(sigma > 0, STEP * _of_quarter_octaves(sigma), coarse)


def _bits_of(value: Codes, width: int) -> NDArray[np.uint8]:
    """Bits of each value, the highest first, one after the other."""
    return (value[:, None] >> np.arange(width - 1, -1, -1) & 1).astype(np.uint8).reshape(-1)


def _bits_of_column(column: Codes) -> NDArray[np.uint8]:
    base = int(column.min())
    folded = 2 * base if base >= 0 else -2 * base - 1
    width = int(column.max() - base).bit_length()
    length = folded.bit_length()
    head = [_bits_of(np.array([value]), bits) for value, bits in ((length, 6), (folded, length), (width, 6))]
    return np.concatenate([*head, _bits_of(column - base, width)])


def _columns_of(bits: NDArray[np.uint8], n: int) -> list[Codes] | None:
    """Take all columns from the bits; None if they do not hold ``n`` plots as they are written."""
    at = 0

    def take(count: int, width: int) -> Codes | None:
        nonlocal at
        if width > _MOST_BITS or at + count * width > bits.size:
            return None
        taken = bits[at : at + count * width].reshape(count, width).astype(np.int64)
        at += count * width
        return np.asarray(taken @ (np.int64(1) << np.arange(width - 1, -1, -1, dtype=np.int64)), np.int64)

    columns: list[Codes] = []
    for _ in range(_COLUMNS):
        head: list[int] = []
        for width in (6, None, 6):
            value = take(1, int(head[0]) if width is None else width)
            if value is None:
                return None
            head.append(int(value[0]))
        length, folded, width = head
        above = take(n, width)
        # One way to say a number: no bit more than is needed.
        if above is None or folded.bit_length() != length or above.min() or int(above.max()).bit_length() != width:
            return None
        columns.append(above + (-(folded + 1 >> 1) if folded & 1 else folded >> 1))
    rest = bits[at:]
    return None if rest.size >= 8 or rest.any() else columns

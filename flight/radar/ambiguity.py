"""Range and range rate beyond their folds, from several intervals of different pulse repetition frequencies.

Each interval tells a target's range but for whole numbers of ``c / (2 prf)`` and its range rate but for those of
``wavelength prf / 2``. Where numbers are exact the Chinese remainder theorem gives the one that fits all (Skolnik 2001,
Introduction to Radar Systems, 3.3); measured ones are told by coincidence: each unfolded value that one interval allows
is held against the plots of the others, and with residuals r of sigmas s

    chi2 = sum over intervals of (r_range / s_range)^2 + (r_rate / s_rate)^2

decides, with ``gate_sigma^2`` for an interval that shows nothing there. A resolution needs plots of ``needed``
intervals within the gate; one that another of nearly the same chi2 contradicts is flagged as ambiguous.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.plots import RADAR_PLOT_DTYPE, RadarPlotFlag
from lookdown.geo.earth import SPEED_OF_LIGHT_M_S

Real = NDArray[np.float64]

DOUBT = 6.0
"""Difference of chi2 below which another resolution is nearly as likely: 20 to 1."""


@dataclass(frozen=True, slots=True)
class AmbiguityParameters:
    """How plots of several intervals are put together.

    Attributes
    ----------
    max_range_m : float
        Ranges from 0 up to here are possible [m].
    max_speed_m_s : float
        Range rates up to this size are possible [m/s].
    needed : int
        Intervals in which a target must have been found, 2 or more.
    gate_sigma : float
        Largest residual, in sigmas [1].
    least_sigma_m, least_sigma_m_s : float
        Smallest sigmas of range and range rate that are believed: a target moves between intervals [m], [m/s].
    """

    max_range_m: float
    max_speed_m_s: float
    needed: int = 2
    gate_sigma: float = 4.0
    least_sigma_m: float = 1.0
    least_sigma_m_s: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what resolves nothing."""
        for name, least in (
            ("max_range_m", 1e-9), ("max_speed_m_s", 1e-9), ("needed", 2), ("gate_sigma", 1.0),
            ("least_sigma_m", 0.0), ("least_sigma_m_s", 0.0),
        ):  # fmt: skip
            if not least <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}: wanted a finite number of at least {least:g}, got {getattr(self, name)}")


def resolve(
    plots: Sequence[NDArray[Any]], prfs_hz: Sequence[float], wavelength_m: float, parameters: AmbiguityParameters
) -> tuple[NDArray[Any], int]:
    """Put the plots of several intervals together and unfold their ranges and range rates.

    Parameters
    ----------
    plots : sequence of ndarray of RADAR_PLOT_DTYPE
        Plots of each interval, folded.
    prfs_hz : sequence of float
        Pulses a second of each interval, all different [Hz].
    wavelength_m : float
        Carrier wavelength [m].
    parameters : AmbiguityParameters
        What is possible and how much must agree.

    Returns
    -------
    plots : ndarray of RADAR_PLOT_DTYPE
        One plot a target, strongest first, flagged RESOLVED and, where another resolution is nearly as likely,
        AMBIGUOUS. Plots that agree with none are not among them.
    n_used : int
        How many of the intervals' plots they were made of.

    Raises
    ------
    ValueError
        If there are not two intervals of different repetition frequencies.
    """
    if len(plots) != len(prfs_hz) or len(set(prfs_hz)) < 2:
        raise ValueError(
            f"prfs_hz: wanted one for each of {len(plots)} intervals, two different at least, got {prfs_hz}"
        )
    folds = {
        "range_m": SPEED_OF_LIGHT_M_S / (2 * np.asarray(prfs_hz, np.float64)),
        "range_rate_m_s": wavelength_m * np.asarray(prfs_hz, np.float64) / 2,
    }
    free = [np.ones(len(p), bool) for p in plots]
    resolved: list[NDArray[Any]] = []
    starts = sorted(((float(p["snr_db"][k]), i, k) for i, p in enumerate(plots) for k in range(len(p))), reverse=True)
    for _, first, k in starts:
        if not free[first][k]:
            continue
        best = _together(plots, free, folds, (first, k), parameters)
        if best is None:
            continue
        for interval, at in best[0]:
            free[interval][at] = False
        resolved.append(best[1])
    out = np.array(resolved, RADAR_PLOT_DTYPE) if resolved else np.zeros(0, RADAR_PLOT_DTYPE)
    n_used = sum(int(np.count_nonzero(~left)) for left in free)
    return np.asarray(out[np.argsort(-out["snr_db"], kind="stable")]), n_used


def _together(
    plots: Sequence[NDArray[Any]],
    free: list[NDArray[np.bool_]],
    folds: dict[str, Real],
    start: tuple[int, int],
    parameters: AmbiguityParameters,
) -> tuple[list[tuple[int, int]], Any] | None:
    """Find the plots that go with one, and the plot that they make; None if too few agree."""
    first, k = start
    seed = plots[first][k]
    bounds = {
        "range_m": (0.0, parameters.max_range_m),
        "range_rate_m_s": (-parameters.max_speed_m_s, parameters.max_speed_m_s),
    }
    seed_sigma = _sigmas(seed, parameters)
    tries = [
        seed[name] + folds[name][first] * np.arange(
            np.ceil((bounds[name][0] - seed[name]) / folds[name][first]),
            np.floor((bounds[name][1] - seed[name]) / folds[name][first]) + 1,
        )
        for name in folds
    ]  # fmt: skip
    place = np.stack(np.meshgrid(*tries, indexing="ij"), axis=-1).reshape(-1, 2)
    chi2 = np.zeros(len(place))
    chosen = np.full((len(place), len(plots)), -1)
    chosen[:, first] = k
    for interval, others in enumerate(plots):
        at = np.flatnonzero(free[interval])
        if interval == first or not at.size:
            continue
        distance = np.zeros((len(place), at.size))
        inside = np.ones((len(place), at.size), bool)
        for axis, name in enumerate(folds):
            fold = folds[name][interval]
            apart = (others[name][at] - place[:, axis, None] + fold / 2) % fold - fold / 2
            sigma = np.hypot(seed_sigma[axis], [_sigmas(others[j], parameters)[axis] for j in at])
            distance += (apart / sigma) ** 2
            inside &= np.abs(apart) <= parameters.gate_sigma * sigma
        angle = others["azimuth_rad"][at] - seed["azimuth_rad"]
        sigma = np.sqrt(others["covariance"][at, 2, 2] + seed["covariance"][2, 2])
        inside &= np.abs(angle) <= parameters.gate_sigma * sigma
        distance[~inside] = np.inf
        nearest = distance.argmin(axis=1)
        least = distance[np.arange(len(place)), nearest]
        seen = np.isfinite(least)
        chosen[seen, interval] = at[nearest[seen]]
        # An interval that does not see it costs as much as the gate.
        chi2 += np.where(seen, least, parameters.gate_sigma**2)
    enough = (chosen >= 0).sum(axis=1) >= parameters.needed
    if not enough.any():
        return None
    best = int(np.flatnonzero(enough)[np.argmin(chi2[enough])])
    members = [(i, int(j)) for i, j in enumerate(chosen[best]) if j >= 0]
    doubtful = int((chi2[enough] < chi2[best] + DOUBT).sum()) > 1
    return members, _merged(plots, members, folds, place[best], doubtful)


def _sigmas(plot: Any, parameters: AmbiguityParameters) -> tuple[float, float]:
    """Sigmas of range and range rate, not below what is believed."""
    covariance = plot["covariance"]
    return (
        max(float(np.sqrt(covariance[0, 0])), parameters.least_sigma_m),
        max(float(np.sqrt(covariance[1, 1])), parameters.least_sigma_m_s),
    )


def _merged(
    plots: Sequence[NDArray[Any]],
    members: list[tuple[int, int]],
    folds: dict[str, Real],
    place: Real,
    doubtful: bool,
) -> Any:
    """Mean of the plots about an unfolded place, weighted by their covariances."""
    information, pull = np.zeros((3, 3)), np.zeros(3)
    strongest = max(members, key=lambda m: float(plots[m[0]]["snr_db"][m[1]]))
    origin = np.array([*place, plots[strongest[0]]["azimuth_rad"][strongest[1]]])
    for interval, k in members:
        plot = plots[interval][k]
        apart = np.array([plot["range_m"], plot["range_rate_m_s"], plot["azimuth_rad"]]) - origin
        for axis, name in enumerate(folds):
            fold = folds[name][interval]
            apart[axis] = (apart[axis] + fold / 2) % fold - fold / 2
        inverse = np.linalg.inv(plot["covariance"])
        information += inverse
        pull += inverse @ apart
    covariance = np.linalg.inv(information)
    merged = plots[strongest[0]][strongest[1]].copy()
    merged["range_m"], merged["range_rate_m_s"], merged["azimuth_rad"] = origin + covariance @ pull
    merged["covariance"] = covariance
    merged["snr_db"] = 10 * np.log10(sum(10 ** (float(plots[i]["snr_db"][k]) / 10) for i, k in members))
    merged["flags"] = (
        int(merged["flags"]) | RadarPlotFlag.RESOLVED | (RadarPlotFlag.AMBIGUOUS if doubtful else RadarPlotFlag.NONE)
    )
    return merged

"""Kinds of target against truth: what the ground's tracks said of the movers that they held."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lookdown.hil.measures import NOBODY
from lookdown.hil.score_tracks import TrackScore
from lookdown.wire.messages import Kind

KIND_OF_MOVER = {
    "airliner": Kind.AIRCRAFT,
    "fighter": Kind.AIRCRAFT,
    "cruise_missile": Kind.CRUISE,
    "hypersonic_glider": Kind.GLIDER,
    "ballistic": Kind.BALLISTIC,
    "vehicle": Kind.SURFACE,
    "ship": Kind.SURFACE,
    "recorded": Kind.AIRCRAFT,  # of aircraft that told their place
}
"""Kind of target of each kind of mover that a scenario knows."""


def kind_figures(score: TrackScore, movers: Sequence[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Hold what tracks said against what movers are.

    Parameters
    ----------
    score : TrackScore
        Who holds whom, and the tracks' posteriors.
    movers : sequence of str
        Kind of each mover, a key of `KIND_OF_MOVER`.

    Returns
    -------
    whole : dict
        ``kind_right``: share of the instants held, of all movers, at which the most probable kind was right;
        ``kind_chance``: mean probability of the right kind. None where no track told a kind.
    per_mover : list of dict
        The same of each mover, with ``kind`` (what it is) and ``kind_told`` (told most often), names in lower case.
    """
    rows, rights, chances = list[dict[str, Any]](), [np.zeros(0)], [np.zeros(0)]
    for index, name in enumerate(movers):
        kind = KIND_OF_MOVER[name]
        held = np.flatnonzero(score.holder[index] != NOBODY)
        posterior = score.grid.kind[score.holder[index][held], held].astype(np.float64)
        posterior = posterior[posterior.sum(axis=1) > 0.0]
        told = posterior.argmax(axis=1)
        rights.append((told == kind).astype(np.float64))
        chances.append(posterior[:, kind])
        most = Kind(int(np.bincount(told, minlength=len(Kind)).argmax())).name.lower() if len(told) else None
        rows.append(
            {
                "kind": kind.name.lower(),
                "kind_told": most,
                "kind_right": _mean(rights[-1]),
                "kind_chance": _mean(chances[-1]),
            }
        )
    whole = {"kind_right": _mean(np.concatenate(rights)), "kind_chance": _mean(np.concatenate(chances))}
    return whole, rows


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    return float(values.mean()) if len(values) else None

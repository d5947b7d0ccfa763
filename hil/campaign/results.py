"""Result of a campaign: curves from counts, and ``roc.json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from lookdown.hil.campaign.plan import Counts, RocPlan
from lookdown.hil.campaign.statistics import (
    CONFIDENCE,
    Estimate,
    Float,
    detection_probability,
    false_probability,
    needed_snr,
    white_noise_pd,
    white_noise_snr,
)
from lookdown.hil.plan import Scenario

WANTED_PD = (0.5, 0.9)
WANTED_PFA = (1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class Needed:
    """SNR that a point of the curves takes, measured (None: not reached) and by theory [1]."""

    pd: float
    pfa: float
    measured: float | None
    theory: float

    @property
    def loss_db(self) -> float | None:
        """How much more than theory it takes [dB]; SNR is a ratio of amplitudes."""
        return None if self.measured is None else float(20.0 * np.log10(self.measured / self.theory))


@dataclass(frozen=True)
class Roc:
    """Result of a campaign.

    Attributes
    ----------
    scenario, plan : Scenario, RocPlan
        What was done.
    units : sequence of Counts
        Counts of each unit.
    pd : Estimate
        Share found, shape (levels, thresholds).
    pfa : Estimate
        False plots per pixel and frame, shape (thresholds,).
    needed : sequence of Needed
        Points of the curves.
    """

    scenario: Scenario
    plan: RocPlan
    units: Sequence[Counts]
    pd: Estimate
    pfa: Estimate
    needed: Sequence[Needed]

    @property
    def frames(self) -> int:
        """Frames that counted."""
        return sum(unit.frames for unit in self.units)

    @property
    def open_pixels(self) -> float:
        """Pixels of open ground in a frame, on average."""
        return sum(unit.pixels for unit in self.units) / max(self.frames, 1)

    def sums(self, name: str) -> Any:
        """Add up the counts of one kind over all units."""
        return np.sum([getattr(unit, name) for unit in self.units], axis=0)

    def theory(self) -> Float:
        """Pd of theory at the Pfa measured, shape (levels, thresholds); nan where there was no false plot."""
        known = np.where(self.pfa.value > 0.0, self.pfa.value, np.nan)
        return white_noise_pd(np.array(self.plan.snr)[:, None], known)


def evaluate(scenario: Scenario, plan: RocPlan, units: Sequence[Counts]) -> Roc:
    """Turn counts into curves."""
    pd, pfa = detection_probability(units), false_probability(units)
    needed = [
        Needed(share, rate, needed_snr(plan.snr, pd.value, pfa.value, share, rate), white_noise_snr(share, rate))
        for rate in WANTED_PFA
        for share in WANTED_PD
    ]
    return Roc(scenario, plan, units, pd, pfa, needed)


def as_json(roc: Roc) -> str:
    """Write all counts and estimates, one line each; null where nothing was measured."""
    plan = roc.plan
    tree: dict[str, Any] = {
        "scenario": roc.scenario.name,
        "title": roc.scenario.title,
        "version": version("lookdown"),
        "seed": roc.scenario.seed,
        "settings": {**plan.settings(roc.scenario), "seeds": plan.seeds},
        "confidence": CONFIDENCE,
        "snr": plan.snr,
        "thresholds": plan.thresholds,
        "frames": roc.frames,
        "pixels": int(sum(unit.pixels for unit in roc.units)),
        "chances": roc.sums("chances").tolist(),
        "hits": roc.sums("hits").tolist(),
        "false": roc.sums("false").tolist(),
        "echoes": roc.sums("echoes").tolist(),
        "pd": _estimate(roc.pd),
        "pfa": _estimate(roc.pfa),
        "theory_pd": _plain(roc.theory()),
        "needed_snr": [
            {"pd": n.pd, "pfa": n.pfa, "measured": n.measured, "theory": n.theory, "loss_db": n.loss_db}
            for n in roc.needed
        ],
        "units": [vars(unit) for unit in roc.units],
    }
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in tree.items())
    return "{\n" + lines + "\n}\n"


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {name: _plain(getattr(estimate, name)) for name in ("value", "low", "high")}


def _plain(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return [_plain(value) for value in values]
    return float(values) if np.isfinite(values) else None

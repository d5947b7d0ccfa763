"""Plan of a detection campaign: which frames, which targets, which thresholds, cut into units of work."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lookdown.hil.settings import require

if TYPE_CHECKING:  # the command line reads this file for its defaults: it need not load the simulator for that
    from lookdown.hil.plan import Scenario

SNR = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0)
THRESHOLDS = (3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0)

LEAST_THRESHOLD = 3.0
"""Below it neighbouring false plots grow together, and a frame has thousands."""


@dataclass(frozen=True)
class RocPlan:
    """What a campaign does.

    Attributes
    ----------
    snr : tuple of float
        Levels of signal-to-noise ratio of the planted targets, rising: after a matched filter, in the noise of the
        sensor alone [1].
    thresholds : tuple of float
        Thresholds of the chain, rising [1].
    frames, warm_up : int
        Frames of a unit that count, and frames before them in which the chain learns its background.
    seeds : int
        Units; each has its own scene, noise and targets. They go round the scenario's satellites.
    targets : int
        Targets planted in a unit. Few: the chain takes a score that one pixel in a thousand exceeds for noise, and
        many strong targets would make it believe in more noise than there is.
    white : bool
        Even background, photon and read noise only, a sensor that stands still: what theory covers.
    """

    snr: tuple[float, ...] = SNR
    thresholds: tuple[float, ...] = THRESHOLDS
    frames: int = 50
    warm_up: int = 50
    seeds: int = 96
    targets: int = 6
    white: bool = False

    def __post_init__(self) -> None:
        """Refuse a campaign that measures nothing."""
        most = f"{LEAST_THRESHOLD:g} to 100, rising"
        require(
            self,
            ("snr", _rising(self.snr, 0.1, 1000.0), "levels from 0.1 to 1000, rising"),
            ("thresholds", _rising(self.thresholds, LEAST_THRESHOLD, 100.0), most),
            ("frames", 1 <= self.frames <= 100_000, "1 to 100000"),
            ("warm_up", 1 <= self.warm_up <= 10_000, "1 to 10000"),
            ("seeds", 1 <= self.seeds <= 10_000, "1 to 10000"),
            ("targets", 1 <= self.targets <= 500, "1 to 500"),
        )

    @property
    def n_frames(self) -> int:
        """Frames of a unit."""
        return self.warm_up + self.frames

    def settings(self, scenario: "Scenario") -> dict[str, Any]:
        """Everything that determines a unit's counts, by name: work under other settings must not be mixed in.

        ``seeds`` is not among it: more seeds go on with the units that are there.
        """
        plan = {name: value for name, value in asdict(self).items() if name != "seeds"}
        text = json.dumps(asdict(scenario), sort_keys=True, default=str)
        read = hashlib.sha256(text.encode()).hexdigest()[:16]
        whole: dict[str, Any] = json.loads(json.dumps({**plan, "scenario": read, "version": version("lookdown")}))
        return whole


def fingerprint(settings: dict[str, Any]) -> str:
    """Short name of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def _rising(values: tuple[float, ...], least: float, most: float) -> bool:
    steps = pairwise(values)
    return len(values) > 0 and all(least <= value <= most for value in values) and all(a < b for a, b in steps)


@dataclass(frozen=True)
class Counts:
    """What was counted in one unit.

    Attributes
    ----------
    chances : tuple of int, [levels]
        Targets in view, times frames.
    hits : tuple of tuple of int, [levels][thresholds]
        Of those, how many were found.
    false : tuple of int, [thresholds]
        Plots on open ground: away from every target and its trail.
    echoes : tuple of int, [thresholds]
        Plots that targets cause beside the one that finds them.
    pixels : int
        Pixels of open ground, times frames.
    frames : int
        Frames that counted.
    """

    chances: tuple[int, ...]
    hits: tuple[tuple[int, ...], ...]
    false: tuple[int, ...]
    echoes: tuple[int, ...]
    pixels: int
    frames: int

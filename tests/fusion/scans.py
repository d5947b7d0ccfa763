"""Scans of positions with known truth: the same numbers for every tracker."""

from dataclasses import dataclass

import numpy as np

SCAN_S = 1.0
SIGMA_M = 50.0
SPEED_SIGMA_M_S = 200.0
PROCESS_NOISE_M2_S3 = 5.0
HEIGHT_M = 10e3


@dataclass(frozen=True)
class Case:
    """Movers over a square of ``spacing_m`` times the root of their number, seen at ``detection``."""

    n_targets: int
    spacing_m: float = 10e3
    detection: float = 0.9
    false_per_target: float = 1.0

    @property
    def side_m(self) -> float:
        """Side of the square [m]."""
        return self.spacing_m * float(np.sqrt(self.n_targets))

    @property
    def false_density(self) -> float:
        """False plots per cubic metre."""
        return self.false_per_target * self.n_targets / (self.side_m**2 * HEIGHT_M)


SPARSE = Case(100)
DENSE = Case(20, spacing_m=3e3, detection=0.7, false_per_target=10.0)


def draw(case: Case, n_scans: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """True states [n_scans, targets, 6] and plots of each scan [k, 3], in random order."""
    rng = np.random.default_rng(seed)
    box = np.array([case.side_m, case.side_m, HEIGHT_M])
    place = rng.uniform(0.0, 1.0, (case.n_targets, 3)) * box
    velocity = rng.normal(size=(case.n_targets, 3)) * [150.0, 150.0, 10.0]
    noise = np.linalg.cholesky(
        np.array([[SCAN_S**3 / 3, SCAN_S**2 / 2], [SCAN_S**2 / 2, SCAN_S]]) * PROCESS_NOISE_M2_S3
    )
    truth, scans = [], []
    for _ in range(n_scans):
        jerk = np.einsum("ij,jnk->ink", noise, rng.normal(size=(2, case.n_targets, 3)))
        place, velocity = place + SCAN_S * velocity + jerk[0], velocity + jerk[1]
        seen = place[rng.random(case.n_targets) < case.detection]
        seen = seen + SIGMA_M * rng.normal(size=seen.shape)
        false = rng.uniform(0.0, 1.0, (rng.poisson(case.false_per_target * case.n_targets), 3)) * box
        truth.append(np.concatenate([place, velocity], axis=1))
        scans.append(rng.permutation(np.concatenate([seen, false])))
    return np.array(truth), scans

"""Our tracker and Stone Soup's on the same scans, with the same model, gate and rules of confirmation and deletion.

Stone Soup: constant velocity, Kalman filter, Mahalanobis gate, global nearest neighbour by assignment on a k-d tree of
the detections (its fastest associator), `MultiMeasurementInitiator` for tentative tracks.
"""

from datetime import datetime, timedelta

import numpy as np
from scipy.special import chdtri
from stonesoup.buffered_generator import BufferedGenerator
from stonesoup.dataassociator.tree import DetectionKDTreeGNN2D
from stonesoup.deleter.time import UpdateTimeStepsDeleter
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.initiator.simple import MultiMeasurementInitiator
from stonesoup.measures import Mahalanobis
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.reader.base import DetectionReader
from stonesoup.tracker.simple import MultiTargetTracker
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import KalmanUpdater

from lookdown.ground.positions import PositionFusion, PositionParameters
from tests.fusion.scans import PROCESS_NOISE_M2_S3, SCAN_S, SIGMA_M, SPEED_SIGMA_M_S, Case

GATE = 0.999
CONFIRM_HITS, DROP_MISSES, DROP_TENTATIVE_MISSES = 3, 5, 2
_EPOCH = datetime(2026, 1, 1)
_REACH_M = 1000.0  # beyond the gates of confirmed tracks
_TENTATIVE_REACH_M = 1750.0  # and of tentative ones a scan after a miss


class Ours:
    """`PositionFusion`, a scan at a time."""

    def __init__(self, case: Case) -> None:
        self.fusion = PositionFusion(
            PositionParameters(
                process_noise_m2_s3=PROCESS_NOISE_M2_S3,
                initial_speed_sigma_m_s=SPEED_SIGMA_M_S,
                great_circles=False,
                probability_of_detection=case.detection,
                false_plots_per_m3=case.false_density,
                gate_probability=GATE,
                confirm_hits=CONFIRM_HITS,
                confirm_score=-1e9,
                drop_score=-1e9,
                drop_misses=DROP_MISSES,
                drop_tentative_misses=DROP_TENTATIVE_MISSES,
            )
        )
        self.scan = 0

    def step(self, plots: np.ndarray) -> None:
        """Fuse a scan."""
        noise = np.tile(SIGMA_M**2 * np.eye(3), (len(plots), 1, 1))
        self.fusion.step(round(self.scan * SCAN_S * 1e9), plots, noise)
        self.scan += 1

    def places(self) -> np.ndarray:
        """Positions of confirmed tracks [n, 3]."""
        return self.fusion.table.state[self.fusion.table.live, :3]


class _Scans(DetectionReader):
    """Detections that were made beforehand, a scan at a time."""

    scans = ()

    @BufferedGenerator.generator_method
    def detections_gen(self):
        yield from self.scans


class Peer:
    """Stone Soup's tracker, a scan at a time; detections are made before the clock runs."""

    def __init__(self, scans: list[np.ndarray]) -> None:
        motion = CombinedLinearGaussianTransitionModel([ConstantVelocity(PROCESS_NOISE_M2_S3)] * 3)
        model = LinearGaussian(6, (0, 2, 4), SIGMA_M**2 * np.eye(3))
        predictor, updater = KalmanPredictor(motion), KalmanUpdater(model)
        gate = float(np.sqrt(chdtri(3, 1.0 - GATE)))
        hypothesiser = DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=gate)
        associator = DetectionKDTreeGNN2D(hypothesiser, predictor, updater, max_distance=_REACH_M)
        tentative = DetectionKDTreeGNN2D(hypothesiser, predictor, updater, max_distance=_TENTATIVE_REACH_M)
        prior = GaussianState(np.zeros((6, 1)), np.diag([0.0, SPEED_SIGMA_M_S**2] * 3))
        initiator = MultiMeasurementInitiator(
            prior, UpdateTimeStepsDeleter(DROP_TENTATIVE_MISSES), tentative, updater, model, CONFIRM_HITS
        )
        reader = _Scans()
        reader.scans = []
        for index, plots in enumerate(scans):
            at = _EPOCH + timedelta(seconds=index * SCAN_S)
            found = {Detection(plot[:, None], timestamp=at, measurement_model=model) for plot in plots}
            reader.scans.append((at, found))
        tracker = MultiTargetTracker(initiator, UpdateTimeStepsDeleter(DROP_MISSES), reader, associator, updater)
        self._steps = iter(tracker)
        self._tracks: set = set()

    def step(self) -> None:
        """Track the next scan."""
        _, self._tracks = next(self._steps)

    def places(self) -> np.ndarray:
        """Positions of confirmed tracks [n, 3]."""
        return np.array([track.state_vector[[0, 2, 4], 0] for track in self._tracks], float).reshape(-1, 3)

"""Our tracker and Stone Soup's on the same scans, with the same model, gate and rules of confirmation and deletion.

Stone Soup: constant velocity, Kalman filter, Mahalanobis gate; global nearest neighbour by assignment on a k-d tree of
the detections (its fastest associator), or JPDA with efficient hypothesis management (EHM2, its best one). Tentative
tracks are held by its `MultiMeasurementInitiator`, to which the track score is added: a track is confirmed by the plot
that brings its log-likelihood ratio to `CONFIRM_SCORE`, on both sides.
"""

from datetime import datetime, timedelta

import numpy as np
from scipy.special import chdtri
from stonesoup.buffered_generator import BufferedGenerator
from stonesoup.dataassociator.probability import JPDAwithEHM2
from stonesoup.dataassociator.tree import DetectionKDTreeGNN2D
from stonesoup.deleter.time import UpdateTimeStepsDeleter
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.hypothesiser.probability import PDAHypothesiser
from stonesoup.initiator.simple import MultiMeasurementInitiator
from stonesoup.measures import Mahalanobis
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.reader.base import DetectionReader
from stonesoup.tracker.simple import MultiTargetMixtureTracker, MultiTargetTracker
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.types.update import Update
from stonesoup.updater.kalman import KalmanUpdater

from lookdown.ground.positions import PositionFusion, PositionParameters
from tests.fusion.scans import PROCESS_NOISE_M2_S3, SCAN_S, SIGMA_M, SPEED_SIGMA_M_S, Case

GATE = 0.999
CONFIRM_HITS, DROP_MISSES, DROP_TENTATIVE_MISSES = 3, 5, 2
CONFIRM_SCORE = 12.0  # a start among 12,000 false plots of a dense run is confirmed by chance at exp(-12) each
_EPOCH = datetime(2026, 1, 1)
_REACH_M = 1000.0  # beyond the gates of confirmed tracks
_TENTATIVE_REACH_M = 1750.0  # and of tentative ones a scan after a miss


class Ours:
    """`PositionFusion`, a scan at a time."""

    def __init__(self, case: Case, joint: bool = False, branches: int = 1) -> None:
        self.fusion = PositionFusion(
            PositionParameters(
                process_noise_m2_s3=PROCESS_NOISE_M2_S3,
                initial_speed_sigma_m_s=SPEED_SIGMA_M_S,
                great_circles=False,
                probability_of_detection=case.detection,
                false_plots_per_m3=case.false_density,
                gate_probability=GATE,
                confirm_hits=CONFIRM_HITS,
                confirm_score=CONFIRM_SCORE,
                drop_score=-1e9,
                drop_misses=DROP_MISSES,
                drop_tentative_misses=DROP_TENTATIVE_MISSES,
                branches=branches,
                joint_association=joint,
            )
        )
        self.scan = 0

    def step(self, plots: np.ndarray) -> None:
        """Fuse a scan."""
        noise = np.tile(SIGMA_M**2 * np.eye(3), (len(plots), 1, 1))
        self.fusion.step(round(self.scan * SCAN_S * 1e9), plots, noise)
        self.scan += 1

    def tracks(self) -> tuple[np.ndarray, np.ndarray]:
        """Identities [n] and states [n, 6] of confirmed tracks: positions, then velocities."""
        live = self.fusion.table.live
        return self.fusion.table.track_id[live], self.fusion.table.state[live]


class _Scans(DetectionReader):
    """Detections that were made beforehand, a scan at a time."""

    scans = ()

    @BufferedGenerator.generator_method
    def detections_gen(self):
        yield from self.scans


class _ScoredInitiator(MultiMeasurementInitiator):
    """Holds a track until a plot brings its score to `CONFIRM_SCORE`, and it has `CONFIRM_HITS` plots."""

    case = Case(1)

    def initiate(self, detections, timestamp, **kwargs):
        """Feed held tracks, let the sure ones go, start one at each detection that is left."""
        case, sure, used = self.case, set(), set()
        detection_over_false, missed = np.log(case.detection / case.false_density), np.log(1.0 - case.detection)
        if self.holding_tracks:
            for track, hypothesis in self.data_associator.associate(self.holding_tracks, detections, timestamp).items():
                if not hypothesis:
                    track.append(hypothesis.prediction)
                    track.metadata["score"] += missed
                    continue
                track.append(self.updater.update(hypothesis))
                used.add(hypothesis.measurement)
                spread = hypothesis.measurement_prediction.covar
                surprise = 0.5 * (float(hypothesis.distance) ** 2 + np.linalg.slogdet(2.0 * np.pi * spread)[1])
                track.metadata["score"] += detection_over_false - surprise
                hits = sum(isinstance(state, Update) for state in track)
                if hits >= self.min_points and track.metadata["score"] >= CONFIRM_SCORE:
                    sure.add(track)
                    self.holding_tracks.remove(track)
            self.holding_tracks -= self.deleter.delete_tracks(self.holding_tracks)
        new = self.initiator.initiate(detections - used, timestamp)
        for track in new:
            track.metadata["score"] = 0.0
        self.holding_tracks |= new
        return sure


class Peer:
    """Stone Soup's tracker, a scan at a time; detections are made before the clock runs."""

    def __init__(self, case: Case, scans: list[np.ndarray], joint: bool = False) -> None:
        motion = CombinedLinearGaussianTransitionModel([ConstantVelocity(PROCESS_NOISE_M2_S3)] * 3)
        model = LinearGaussian(6, (0, 2, 4), SIGMA_M**2 * np.eye(3))
        predictor, updater = KalmanPredictor(motion), KalmanUpdater(model)
        gate = float(np.sqrt(chdtri(3, 1.0 - GATE)))
        hypothesiser = DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=gate)
        tentative = DetectionKDTreeGNN2D(hypothesiser, predictor, updater, max_distance=_TENTATIVE_REACH_M)
        prior = GaussianState(np.zeros((6, 1)), np.diag([0.0, SPEED_SIGMA_M_S**2] * 3))
        initiator = _ScoredInitiator(
            prior, UpdateTimeStepsDeleter(DROP_TENTATIVE_MISSES), tentative, updater, model, CONFIRM_HITS
        )
        initiator.case = case
        reader = _Scans()
        reader.scans = []
        for index, plots in enumerate(scans):
            at = _EPOCH + timedelta(seconds=index * SCAN_S)
            found = {Detection(plot[:, None], timestamp=at, measurement_model=model) for plot in plots}
            reader.scans.append((at, found))
        deleter = UpdateTimeStepsDeleter(DROP_MISSES)
        if joint:
            chances = PDAHypothesiser(predictor, updater, case.false_density, case.detection, GATE)
            tracker = MultiTargetMixtureTracker(initiator, deleter, reader, JPDAwithEHM2(chances), updater)
        else:
            associator = DetectionKDTreeGNN2D(hypothesiser, predictor, updater, max_distance=_REACH_M)
            tracker = MultiTargetTracker(initiator, deleter, reader, associator, updater)
        self._steps = iter(tracker)
        self._tracks: set = set()
        self._names: dict = {}

    def step(self) -> None:
        """Track the next scan."""
        _, self._tracks = next(self._steps)

    def tracks(self) -> tuple[np.ndarray, np.ndarray]:
        """Identities [n] and states [n, 6] of confirmed tracks: positions, then velocities."""
        names = [self._names.setdefault(track.id, len(self._names)) for track in self._tracks]
        states = [track.state_vector[[0, 2, 4, 1, 3, 5], 0] for track in self._tracks]
        return np.array(names, np.int64), np.array(states, float).reshape(-1, 6)

"""Births: plots that fed no track start tracks, and what starts none waits for the reports of other satellites.

Two satellites start a track where lines of sight of free plots cross (`locate`); one alone starts a track where no
other looks (`single`); a radar's plot starts one by itself (`radar_step`). A track's identity belongs to the plots that
started it, so that the same plots give the same identity when late reports make fusion go back.
"""

import numpy as np

from lookdown.ground import life
from lookdown.ground.echoes import EchoLook
from lookdown.ground.feed import Feeder
from lookdown.ground.locate import locate
from lookdown.ground.measure import Look
from lookdown.ground.modes import Modes
from lookdown.ground.parameters import Parameters
from lookdown.ground.pointing import Pointing
from lookdown.ground.radar_step import start_tracks
from lookdown.ground.single import begin, lonely
from lookdown.ground.tracks import Int, TrackTable
from lookdown.wire.messages import PlotReport, RadarReport, ReportFlag

_WARM_UP = int(ReportFlag.WARM_UP)
_MOST_NAMES = 10_000  # remembered before those too old to be fused again are forgotten

# Sensor, frame and plot that started a track, and those it was crossed with.
_Birth = tuple[int, int, int, int, int, int]

BirthsKept = tuple[dict[int, tuple[Look, Int]], Int]
"""What `Births.save` keeps."""


class Births:
    """Starts tracks and names them.

    Parameters
    ----------
    parameters : Parameters
        Gates, limits, and when a satellite's background counts as settled.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._n_sensors = len(parameters.sensors)
        self._leftover: dict[int, tuple[Look, Int]] = {}
        self._settled_ns = np.zeros(self._n_sensors, np.int64)
        self._next_id = 1
        self._names: dict[_Birth, tuple[int, int]] = {}

    def save(self) -> BirthsKept:
        """Keep what is known, for `restore`."""
        return dict(self._leftover), self._settled_ns.copy()

    def restore(self, kept: BirthsKept) -> None:
        """Go back to what was known; identities that were given since stay with the plots that they were given for."""
        self._leftover, self._settled_ns = dict(kept[0]), kept[1].copy()

    def may_start(self, report: PlotReport, sensor: int) -> bool:
        """Whether plots of a report start tracks: not while the background of the satellite settles."""
        if int(report.flags) & _WARM_UP:
            self._settled_ns[sensor] = report.time_ns + round(self._parameters.settle_s * 1e9)
        return bool(report.time_ns >= self._settled_ns[sensor])

    def cross(self, table: TrackTable, look: Look, sensor: int, free: Int, pointing: Pointing, modes: Modes) -> int:
        """Start tentative tracks where free plots cross those of other sensors, and keep what stays free.

        Parameters
        ----------
        table : TrackTable
            Extended.
        look : Look
            The report.
        sensor : int
            Index of its sensor.
        free : ndarray of int64, shape (k,)
            Plots that fed no track of several satellites.
        pointing : Pointing
            Errors of all sensors.
        modes : Modes
            Models of motion.

        Returns
        -------
        int
            Tentative tracks given up because there are too many.
        """
        parameters, report = self._parameters, look.report
        if len(free) > parameters.max_pair_plots:
            strongest = np.argsort(-report.sights["snr"][free], kind="stable")[: parameters.max_pair_plots]
            free = np.sort(free[strongest])
        cleaned = None
        for other, (before, kept) in self._leftover.items():
            old = report.time_ns - before.report.time_ns > parameters.pair_window_s * 1e9
            if other == sensor or old or not free.size or not kept.size:
                continue
            clean, left = cleaned = cleaned or pointing.removed(look, sensor)
            clean_before, left_before = pointing.removed(before, other)
            crossings = locate(clean, clean_before, parameters, free, kept)
            if not len(crossings.miss):
                continue
            new = TrackTable.blank(len(crossings.miss), self._n_sensors, len(modes.models))
            new.track_id = self._name(report, before.report, crossings.plot_a, crossings.plot_b)
            new.state, new.covariance = crossings.state, crossings.covariance
            parts = [(sensor, left, crossings.cross_a), (other, left_before, crossings.cross_b)]
            new.cross = pointing.born(new.state, new.covariance, parts)
            modes.begin(new)
            new.looks[:], new.born_ns[:] = 0b11, report.time_ns
            everyone = np.arange(len(new))
            life.note_hits(new, everyone, other, before, crossings.plot_b, parameters)
            life.note_hits(new, everyone, sensor, look, crossings.plot_a, parameters)
            table.extend(new)
            free = without(free, crossings.plot_a, len(report.sights))
            self._leftover[other] = (before, without(kept, crossings.plot_b, len(before.report.sights)))
        self._leftover[sensor] = (look, free)
        return self._limit_tentative(table)

    def alone(self, table: TrackTable, feeder: Feeder, free: Int) -> None:
        """Start tracks of one satellite where it looks alone.

        Parameters
        ----------
        table : TrackTable
            Extended.
        feeder : Feeder
            Feeds the new tracks with their plots.
        free : ndarray of int64, shape (k,)
            Plots that fed no track at all.
        """
        if not free.size:
            return
        look, sensor, parameters = feeder.look, feeder.sensor, self._parameters
        report = look.report
        free = free[np.argsort(-report.sights["snr"][free], kind="stable")[: parameters.max_pair_plots]]
        oldest_ns = report.time_ns - round(parameters.coast_after_s * 1e9)
        others = [
            (before, parameters.sensors[other])
            for other, (before, _) in self._leftover.items()
            if other != sensor and before.report.time_ns >= oldest_ns
        ]
        plots, ends_m = lonely(look, free, others, parameters)
        if not plots.size:
            return
        new = TrackTable.blank(len(plots), self._n_sensors, len(feeder.modes.models))
        new.track_id = self._name(report, report, plots, plots)
        begin(new, look, plots, ends_m, parameters)
        feeder.modes.begin(new)
        feeder.feed(new, np.arange(len(new)), plots, np.zeros(len(new), np.bool_), tuple(table.bundles))
        life.note_hits(new, np.arange(len(new)), sensor, look, plots, parameters)
        table.extend(new)

    def of_echoes(self, table: TrackTable, look: EchoLook, sensor: int, free: Int, modes: Modes) -> int:
        """Start tentative tracks of a radar's free plots, one a plot.

        Returns
        -------
        int
            Tentative tracks given up because there are too many.
        """
        new, plots = start_tracks(look, free, sensor, self._n_sensors, self._parameters, modes)
        new.track_id = self._name(look.report, None, plots, np.full(len(plots), -1))
        table.extend(new)
        return self._limit_tentative(table)

    def _limit_tentative(self, table: TrackTable) -> int:
        """Keep the best tentative tracks, as many as are allowed; how many were given up."""
        tentative = (~table.live & (table.single == 0)).nonzero()[0]
        excess = len(tentative) - self._parameters.max_tentative
        if excess <= 0:
            return 0
        keep = np.ones(len(table), np.bool_)
        keep[tentative[np.argsort(table.score[tentative], kind="stable")[:excess]]] = False
        table.keep(keep)
        return excess

    def _name(self, report: PlotReport | RadarReport, other: PlotReport | None, plot: Int, other_plot: Int) -> Int:
        """Identities of tracks by the plots that start them, two or one: the same when these are fused again."""
        second = (other.sensor_id, other.frame_id) if other else (0, 0)
        frames = report.sensor_id, report.frame_id, *second
        names = np.empty(len(plot), np.int64)
        for index, pair in enumerate(zip(plot.tolist(), other_plot.tolist(), strict=True)):
            self._names.setdefault((*frames, *pair), (report.time_ns, self._next_id))
            names[index] = self._names[(*frames, *pair)][1]
            self._next_id += int(names[index] == self._next_id)
        if len(self._names) > _MOST_NAMES:
            oldest_ns = report.time_ns - round(self._parameters.late_s * 1e9)
            self._names = {birth: name for birth, name in self._names.items() if name[0] >= oldest_ns}
        return names


def without(plots: Int, gone: Int, count: int) -> Int:
    """Leave some of ``count`` plots out of a selection."""
    left = np.ones(count, np.bool_)
    left[gone] = False
    return plots[left[plots]]

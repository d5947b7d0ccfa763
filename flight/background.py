"""The background: where it went, what a frame leaves over it, and how the frame enters it.

Its mean and its noise lie on a grid that follows the ground. A frame is located on it (from the pointing, refined by
the image), the mean subtracted, the residual filtered with the point-spread function and divided by the noise of the
place, that predicted and that of the ring about each pixel. What stands out is held back; the rest enters mean and
noise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.bands import Bands
from lookdown.flight.config import ChainParameters
from lookdown.flight.confirm import SETTLED_FRAMES
from lookdown.flight.memory import MemoryLimit
from lookdown.flight.psf import PointSpread
from lookdown.flight.registration import Location, Registration
from lookdown.flight.regrid import lay_on_frame
from lookdown.flight.suppression import Suppression
from lookdown.kernels.renew import renew_background
from lookdown.kernels.restart import restart_young
from lookdown.kernels.retract import retract_flashes
from lookdown.kernels.sampled import sampled_quantile
from lookdown.kernels.score import score_and_renew, score_scratch_size
from lookdown.kernels.slid import find_slid
from lookdown.kernels.suppress import matched_filter
from lookdown.kernels.whiten import whiten
from lookdown.wire.messages import SensorState

Image = NDArray[np.float32]

REGISTRATION_BLUR_PX = 0.03
"""Error of registration that the predicted noise allows for, one sigma [px]."""

NOISE_SAMPLES = 1024
"""Pixels whose noise tells how large a spike must be, about."""

HOLD_SCORE = 7.0
"""Score up to which a residual enters the background as it is. At 3 a mover's trail in its background is half as deep,
but the dark place that it leaves where it stood at first lasts too long: the clips lose .17 of Pd at 1e-6."""

YOUNG_AT_START, YOUNG_LATER = 6, 4
"""Frames of a background, the present one included, up to which a strong score means that it is wrong: in the first
frames of all, and later, in ground that came into view. A memory cut to its shortest (`lookdown.flight.memory`) is
older than the latter: a mover there must not become background."""

NEW_SCORE = 4.0
"""Score that is strong where ground came into view: there the ring about a particle's hit, its track included, is all
that is known of the noise, and to begin anew costs but a few frames."""

SPOILT_FRAMES = 20
"""Frames of a place up to which a flash spoils its background. In an older one little is left of what is held back, and
to leave frames out costs more."""

SLID_PX, SLID_SHARE = 2, 0.5
"""How far about a plot's peak its residual is looked at [px], and the part of its squares that the slide of a layer
must explain to make no plot of it. A mover has no gradient in the background, the edge of a cloud has little else."""


class Background:
    """Second part of the chain: from clean frames to scores.

    Parameters
    ----------
    parameters : ChainParameters
        How the chain is set.
    rows, cols : int
        Size of the frames [px].
    spread : PointSpread
        Optics and detector.
    bands : Bands
        Threads that share the frame.
    distortion : tuple of float
        Radial distortion k1, k2 of the lens [1].

    Attributes
    ----------
    frames : int
        Frames in which it was followed, the present one included: 0 without a background, 1 if the present frame was
        scored in space alone.
    mean, noise : ndarray of float32, shape (rows, cols)
        Mean of the frames and variance of the filtered residual, on the grid [frame unit, frame unit^2].
    age : ndarray of uint8, shape (rows, cols)
        Frames that each place holds.
    residual, filtered : ndarray of float32, shape (rows, cols)
        What the present frame leaves over the background, or after the suppression that was chosen in its place
        (`lookdown.flight.suppression`), before and after the matched filter [frame unit].
    z : ndarray of float32, shape (rows, cols)
        Its score [1].
    """

    def __init__(
        self,
        parameters: ChainParameters,
        rows: int,
        cols: int,
        spread: PointSpread,
        bands: Bands,
        distortion: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        shape = rows, cols
        self._parameters, self._spread = parameters, spread
        self.frames = 0
        self._residual, self._filtered, self._z = (np.zeros(shape, np.float32) for _ in range(3))
        self._strong = np.zeros(rows, np.uint8)  # rows of the score with one beyond NEW_SCORE
        self._predicted, self._variance = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.mean, self._next_mean = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.noise, self._next_noise = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.age, self._next_age = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self._bands, self._parts = bands, bands.split(rows, 2)
        size = score_scratch_size(cols, spread.taps.size, parameters.window_px)
        self._scratches = [np.zeros(size, np.float32) for _ in self._parts]
        self._scratch = self._scratches[0]
        self._noise_step = max(1, round((rows * cols / NOISE_SAMPLES) ** 0.5))
        self._sample = np.zeros(self.noise[:: self._noise_step, :: self._noise_step].size, np.float32)
        self._other: Suppression | None = None
        self.residual, self.filtered, self.z = self._residual, self._filtered, self._z
        if parameters.suppression != "recursive":
            self._other = other = Suppression(parameters, rows, cols, spread, self._scratch)
            self.residual, self.filtered, self.z = other.residual, other.filtered, other.z
        self._slid = np.zeros(parameters.max_plots, np.uint8)
        self._memory = MemoryLimit(rows, cols, parameters.background_frames)
        self._registration = Registration(rows, cols, parameters.background_height_m, bands, distortion)

    def usual_noise(self) -> float:
        """Return the median variance of the filtered residual, 0 without a background [frame unit^2]."""
        return sampled_quantile(self.noise, self._noise_step, 0.5, self._sample) if self.frames else 0.0

    def locate(self, frame: Image, quantum: float, state: SensorState | None) -> Location:
        """Find the background in a frame; if it is lost, there is none any more.

        Parameters
        ----------
        frame : ndarray of float32, shape (rows, cols)
            Clean frame.
        quantum : float
            Step from one sample to the next [frame unit].
        state : SensorState, optional
            Pointing of the frame.

        Returns
        -------
        Location
            Where it went.
        """
        self._registration.least_rms = quantum
        found = self._registration.locate(frame, self.mean, self.frames > 0, state)
        if found.lost:
            self.frames = 0
        if state is not None and found.outgrown:
            lay_on_frame(found.field, self.mean, self.noise, self.age)
            found = self._registration.lay_anew(found, state)
        return found

    def score(self, frame: Image, found: Location, variance_floor: float, pointed: bool) -> None:
        """Score a frame and let it enter the background, or start one.

        Parameters
        ----------
        frame : ndarray of float32, shape (rows, cols)
            Clean frame.
        found : Location
            Where `locate` found the background.
        variance_floor : float
            Smallest variance of the filtered residual that is believed [frame unit^2].
        pointed : bool
            The displacements come from pointing, so each tile learns what it moves beyond them.
        """
        if not self.frames:
            self._start(frame, variance_floor)
            if self._other:
                self._other.start(frame, self._residual, variance_floor)
        else:
            # Predicted noise is asked for by those alone who look for tiles that move.
            wanted = pointed or self._registration.sliding.looks_next
            self._follow(frame, found, variance_floor, self._predicted if wanted else None)
            if self._other:
                self._other.score(frame, found.shift, variance_floor)
            if pointed:
                self._registration.follow_tiles(frame, self._residual, self._predicted, self._spread.white_gain)
        self.frames += 1

    def retract(self, plots: NDArray[Any], flashed: NDArray[np.uint8], found: Location) -> None:
        """Take the frame out of the background again about plots that flashed, wherever their light is in a ring.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of the frame that was scored last.
        flashed : ndarray of uint8, shape (n,)
            Not 0 for those that are meant.
        found : Location
            Where the background went.
        """
        if self.frames < 2 or not flashed.any():
            return
        retract_flashes(
            plots,
            flashed,
            self._parameters.window_px // 2 + 1,
            SPOILT_FRAMES,
            found.field,
            *found.step,
            self._next_mean,
            self._next_noise,
            self._next_age,
            self.mean,
            self.noise,
            self.age,
        )

    def slid(self, plots: NDArray[Any], frame: Image) -> NDArray[np.uint8]:
        """Tell which plots are what a layer leaves that slides over the ground.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of the frame that was scored last.
        frame : ndarray of float32, shape (rows, cols)
            The frame.

        Returns
        -------
        ndarray of uint8, shape (n,)
            1 where the slide, seen in the frame before, explains the residual. A view that holds until the next call.
        """
        slid, direction = self._slid[: len(plots)], self._registration.sliding.direction
        if direction is None:
            slid.fill(0)
        else:
            find_slid(plots, frame, self._residual, *direction, SLID_PX, SLID_SHARE, slid)
        return slid

    def revise(self, frame: Image, found: Location, pointed: bool) -> None:
        """After the frame was judged: forget where it contradicts a young background, and where the ground slides."""
        if self.frames > 1:
            at_start = self.frames <= SETTLED_FRAMES
            strong, young = (HOLD_SCORE, YOUNG_AT_START) if at_start else (NEW_SCORE, YOUNG_LATER)
            restart_young(self._z, self._strong, found.field, *found.step, strong, young, self.age)
        if pointed:
            self._memory.apply(self.noise, self.age)
            self._registration.sliding.direction = None
        elif self.frames > 1:
            sliding = self._registration.sliding
            if sliding.find(frame, self._residual, self._predicted, self._spread.white_gain):
                self._memory.forget_sliding(self.noise, sliding.tiles, self.age)

    def _follow(self, frame: Image, found: Location, variance_floor: float, predicted: Image | None) -> None:
        """Score a frame against background, ring and memory, and let it enter the background."""

        def score_band(k: int, first: int, last: int) -> None:
            score_and_renew(
                frame,
                self.mean,
                self.noise,
                self.age,
                found.field,
                REGISTRATION_BLUR_PX,
                variance_floor,
                self._spread.taps,
                self._spread.edge,
                self._parameters.window_px,
                self._parameters.guard_px,
                HOLD_SCORE,
                NEW_SCORE,
                found.step[0],
                found.step[1],
                self._parameters.background_frames,
                first,
                last,
                self._scratches[k],
                self._residual,
                predicted,
                self._filtered,
                self._z,
                self._strong,
                self._next_mean,
                self._next_noise,
                self._next_age,
            )

        self._bands.run(score_band, self._parts)
        self._swap()

    def _start(self, frame: Image, variance_floor: float) -> None:
        """Score a frame without background: the residual is the frame itself, no noise is predicted. It starts one."""
        # A level near 0 keeps the sums of squares small.
        np.subtract(frame, np.float32(np.median(frame[:: 1 + frame.shape[0] // 64])), self._residual)
        self._predicted.fill(0.0)
        self.age.fill(0)
        taps = self._spread.taps
        matched_filter(self._residual, taps, taps, self._scratch, self._filtered)
        whiten(
            self._filtered,
            self._predicted,
            self._parameters.window_px,
            self._parameters.guard_px,
            variance_floor,
            self._scratch,
            self._variance,
            self._z,
        )
        renew_background(
            frame,
            self._residual,
            self._variance,
            self.mean,
            self.noise,
            self.age,
            np.zeros((1, 1, 2), np.float32),
            0,
            0,
            self._parameters.background_frames,
            self._scratch,
            self._next_mean,
            self._next_noise,
            self._next_age,
        )
        self._swap()

    def _swap(self) -> None:
        self.mean, self._next_mean = self._next_mean, self.mean
        self.noise, self._next_noise = self._next_noise, self.noise
        self.age, self._next_age = self._next_age, self.age

"""Where the background went: predicted from pointing or from the frame before, refined by the image.

The background lies on an anchor grid that follows the ground in whole pixels. `Registration.locate` finds the
displacement from the frame to that grid, per tile, and says by how many whole pixels the grid is to follow.

With pointing the field of displacements comes from the geometry (rotation and scale included) and the image adds one
displacement for the whole frame, the pointing error. Without it one displacement is all. Where the image has no
texture, or with pointing no displacement that most of it agrees on (`lookdown.flight.layers`), the prediction stands;
where it is another picture (a cut, a slew) a coarse search over the whole frame (phase correlation, Kuglin and Hines
1975) tries to find it again, and if that fails too the background is lost.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.flight.bands import Bands
from lookdown.flight.layers import Layers
from lookdown.flight.sliding import Sliding
from lookdown.geo.camera import Camera
from lookdown.geo.ground_shift import GroundShift
from lookdown.kernels.field import learn_affine, learn_field, place_field, sum_field
from lookdown.kernels.local_shift import tile_normals
from lookdown.kernels.register import estimate_shift, register_scratch_size
from lookdown.kernels.score import MOST_REACH_PX
from lookdown.kernels.shift import shift_field as resample
from lookdown.kernels.shift import shift_scratch_size
from lookdown.wire.messages import SensorState

Image = NDArray[np.float32]
Field = NDArray[np.float32]

CLIP_SIGMAS = 3.0
"""Pixels further off than this are movers, not background."""

ROWS_USED = 128
"""Rows of a frame that the estimate looks at, about."""

TILE_PX = 16
"""Size of the tiles on which a predicted field is constant [px]."""

FLAT_FIELD_PX = 0.02
"""A field that varies less over the frame is one displacement [px]."""

TILE_STEP_PX = 0.16
"""Largest difference between tiles; beyond it the background is laid on a new grid [px]."""

REACH_PX = MOST_REACH_PX - 2
"""Rows that a field may lie from its step; beyond it, too, a new grid is laid. The pass from frame to score keeps no
more rows, and two are left for what lies between the middles of tiles and beyond the last ones [px]."""

LOCAL_PRIOR_PX = 0.02
"""One sigma of what the view or, where a frame has layers, a tile may move in a frame beyond the prediction; keeps what
has no texture where it is [px]."""

RELIEF_PRIOR_PX = 0.005
"""The same of a tile beyond the affine motion of a view without layers: relief changes slowly [px]."""

JUMP_RATIO = 4.0
"""Error of the registered frame over its usual value from which on it is another picture."""

COARSE_PX = 256
"""Size to which frames are reduced for the coarse search [px]."""

SMOOTHING = 0.3
"""Share of the newest shift in the predicted one; jitter averages out, drift stays."""


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """What `Registration.locate` found.

    Attributes
    ----------
    field : ndarray of float32, shape (n, m, 2)
        Displacement (row, col) from frame to grid, per tile; holds until the next frame [px].
    step : tuple of int
        Pixels by which the grid is to follow, along the displacement.
    shift : tuple of float
        Displacement of the middle of the frame since the frame before [px].
    from_image : bool
        The image confirmed the prediction.
    lost : bool
        The background is not in view any more; field, step and shift are 0.
    outgrown : bool
        The background needs a new grid: the field varies too much from tile to tile, or over the frame.
    """

    field: Field
    step: tuple[int, int]
    shift: tuple[float, float]
    from_image: bool
    lost: bool
    outgrown: bool = False


class Registration:
    """Follows the background of one sensor.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    height_m : float
        Height of the background above the ellipsoid [m].
    bands : Bands
        Threads that share the frame.
    distortion : tuple of float
        Radial distortion k1, k2 of the lens [1].

    Attributes
    ----------
    layered : bool
        The last frame that was found had layers (`lookdown.flight.layers`).
    sliding : Sliding
        Tiles that slide over the ground, found in the residual of the frame before.
    """

    def __init__(
        self, rows: int, cols: int, height_m: float, bands: Bands, distortion: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self.least_rms = 0.0
        self._rows, self._cols, self._height_m = rows, cols, height_m
        self._distortion = distortion
        self._every = max(1, min(rows // ROWS_USED, 64))
        self._scratch = np.zeros(register_scratch_size(cols), np.float32)
        self._warped = np.zeros((rows, cols), np.float32)
        self._tiles = -(-rows // TILE_PX), -(-cols // TILE_PX)
        self._normals = np.zeros((*self._tiles, 5))
        # Tiles are of one height, which may be less than `TILE_PX`.
        self._bands, self._parts = bands, bands.split(rows, -(-rows // self._tiles[0]))
        self._row_scratches = [np.zeros(shift_scratch_size(cols), np.float32) for _ in self._parts]
        self._local, self._shift, self._base, self._sum = (np.zeros((*self._tiles, 2)) for _ in range(4))
        self._field = np.zeros((*self._tiles, 2), np.float32)
        self._flat = np.zeros((1, 1, 2))
        self._ground: GroundShift | None = None
        self._layers = Layers(rows, cols, TILE_PX)
        self._pointed = False
        self.layered = False
        self.sliding = Sliding(rows, cols)
        self._forget()

    def _forget(self) -> None:
        """Lay the grid on the next frame."""
        self._at = np.zeros(2)  # displacement of the last frame from the grid, pointing aside
        self._rate = np.zeros(2)  # its smoothed change per frame
        self._rates = 0
        self._rms = 0.0  # usual error of a registered frame
        self._anchor: SensorState | None = None
        self._grid = np.zeros(2)  # whole pixels that the grid followed since the anchor
        self._middle = np.zeros(2)
        self._local.fill(0.0)  # what each tile adds to the prediction
        self.sliding.direction = None

    def locate(self, frame: Image, mean: Image, settled: bool, state: SensorState | None) -> Location:
        """Find the background in a frame.

        Parameters
        ----------
        frame, mean : ndarray of float32, shape (rows, cols)
            Calibrated frame; background on its grid.
        settled : bool
            There is a background.
        state : SensorState, optional
            Pointing of the frame.

        Returns
        -------
        Location
            Where the background went.
        """
        if not settled:
            self._forget()
            self._anchor = state
            return self._nowhere(lost=False)
        base = self._predicted_field(state)
        self._pointed = base is not None
        if base is None:
            found = self._estimate(mean, frame, self._at + self._rate)
            base = np.zeros((1, 1, 2))
        elif base.size == 2:
            found = self._estimate(mean, frame, self._at + base[0, 0])
            if found is not None:
                found = found[0] - base[0, 0], found[1]
        else:
            place_field(base, self._at[0], self._at[1], self._field)
            self._resample(mean)
            found = self._estimate(self._warped, frame, np.zeros(2))
            if found is not None:
                found = found[0] + self._at, found[1]
        if found is None:
            self._forget()
            self._anchor = state
            return self._nowhere(lost=True)
        at, from_image = found
        return self._follow(base, at, from_image, state is not None)

    def _resample(self, mean: Image) -> None:
        """Lay the background on the frame, as the field says."""

        def resample_band(k: int, first: int, last: int) -> None:
            resample(mean, self._field, first, last, self._row_scratches[k], self._warped)

        self._bands.run(resample_band, self._parts)

    def _nowhere(self, lost: bool) -> Location:
        return Location(np.zeros((1, 1, 2), np.float32), (0, 0), (0.0, 0.0), not lost, lost)

    def _predicted_field(self, state: SensorState | None) -> NDArray[np.float64] | None:
        """Displacement from frame to grid that the pointing tells, one for all tiles if it is; None without one."""
        anchor = self._anchor
        if state is None or anchor is None:
            return None
        if self._ground is None or self._ground.camera.ifov_rad != state.ifov_rad:
            camera = Camera(self._rows, self._cols, state.ifov_rad, self._distortion)
            self._ground = GroundShift(camera, self._height_m, *self._tiles)
        self._ground.between(anchor.position_m, anchor.attitude, state.position_m, state.attitude, self._shift)
        down, up, left, right = sum_field(self._shift, self._local, self._grid[0], self._grid[1], self._base)
        # Sights beyond the limb, or a slew off the frame: the geometry says nothing about the background.
        if not max(-down, up, -left, right) <= max(self._rows, self._cols):
            return None
        if max(up - down, right - left) < FLAT_FIELD_PX:
            np.add.reduce(self._base, axis=(0, 1), out=self._flat[0, 0])
            self._flat /= self._base[..., 0].size
            return self._flat
        return self._base

    def _estimate(
        self, mean: Image, frame: Image, start: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], bool] | None:
        """Displacement of the frame and whether the image confirmed it; None if the frame is another picture."""
        limit = np.array([self._rows, self._cols]) * 0.5
        if not (np.abs(start) < limit).all():
            return None
        found = self._refine(mean, frame, start)
        if found is not None and (not self._rms or found[1] <= self._jump()):
            self._rms = found[1] if not self._rms else self._rms + 0.1 * (found[1] - self._rms)
            return self._of_most(mean, frame, start, found)
        if self._rms and self._error_at(mean, frame, start) <= self._jump():
            # Most of the frame is where it was expected: the estimate went astray, along the limb or an edge of cloud.
            settled = self._layers.settle(mean, frame, start)
            if settled is not None or found is None:
                self.layered = True
                return (start, False) if settled is None else (settled, True)
        coarse = self._search(mean, frame)
        if not (np.abs(coarse) < limit).all():
            return None
        found = self._refine(mean, frame, coarse)
        if not self._rms:
            # Nothing is known of the usual error yet: a frame without texture is no other picture.
            if found is None:
                return start, False
            self._rms = found[1]
        elif found is None or found[1] > self._jump():
            return None
        self._rates = 0
        return self._of_most(mean, frame, start, found)

    def _of_most(
        self,
        mean: Image,
        frame: Image,
        start: NDArray[np.float64],
        found: tuple[NDArray[np.float64], float, int],
    ) -> tuple[NDArray[np.float64], bool]:
        """Take the displacement of the largest layer; where none is, that of the pointing, or without one the mean."""
        at, _, n_used = found
        self.layered = self.sliding.found or self._layers.has_layers(at, self._every, n_used)
        if not self.layered:
            return at, True
        settled = self._layers.settle(mean, frame, at)
        if settled is None:
            return (start, False) if self._pointed else (at, True)
        return settled, True

    def _jump(self) -> float:
        """Error from which on a frame is another picture."""
        return JUMP_RATIO * max(self._rms, self.least_rms)

    def _refine(
        self, mean: Image, frame: Image, start: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float, int] | None:
        row, col, _, _, rms, n_used = estimate_shift(
            mean, frame, float(start[0]), float(start[1]), CLIP_SIGMAS, self._every, self._scratch
        )
        return None if np.isnan(row) else (np.array([row, col]), rms, n_used)

    def _error_at(self, mean: Image, frame: Image, at: NDArray[np.float64]) -> float:
        """Spread of the difference of frame and background, whole pixels, every eighth pixel."""
        down, along = np.rint(at).astype(int)
        ours = frame[max(0, -down) : self._rows - max(0, down), max(0, -along) : self._cols - max(0, along)]
        theirs = mean[max(0, down) : self._rows + min(0, down), max(0, along) : self._cols + min(0, along)]
        error = ours[::8, ::8] - theirs[::8, ::8]
        return float(1.4826 * np.median(np.abs(error - np.median(error))))

    def _search(self, mean: Image, frame: Image) -> NDArray[np.float64]:
        """Displacement from the whole frame, to about the factor by which it is reduced."""
        factor = max(1, -(-max(self._rows, self._cols) // COARSE_PX))
        size = max(2, self._cols // factor), max(2, self._rows // factor)
        small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (frame, mean)]
        (along, down), _ = cv2.phaseCorrelate(small[0], small[1], cv2.createHanningWindow(size, cv2.CV_32F))
        return np.array([down * self._rows / size[1], along * self._cols / size[0]])

    def _follow(self, base: NDArray[np.float64], at: NDArray[np.float64], from_image: bool, pointed: bool) -> Location:
        field: Field = self._field
        if base.shape != field.shape:
            field = np.zeros(base.shape, np.float32)
        steepest, low, high = place_field(base, at[0], at[1], field)
        middle = field[field.shape[0] // 2, field.shape[1] // 2].astype(np.float64)
        shift = middle - self._middle
        step = np.rint(middle).astype(int)
        if pointed:
            # The geometry holds the motion; what is left is the pointing error.
            self._at = at
        else:
            if from_image:
                self._rates += 1
                self._rate += max(SMOOTHING, 1.0 / self._rates) * (at - self._at - self._rate)
            self._at = at - step
        if pointed:
            self._grid += step
        self._middle = middle - step
        outgrown = pointed and (steepest > TILE_STEP_PX or max(high - step[0], step[0] - low) > REACH_PX)
        moved = float(shift[0]), float(shift[1])
        return Location(field, (int(step[0]), int(step[1])), moved, from_image, False, bool(outgrown))

    def follow_tiles(self, frame: Image, residual: Image, predicted: Image, scale: float) -> None:
        """Learn from a residual how each tile moves against the prediction: cloud and relief at other heights.

        What turns or stretches the view is smooth: all tiles together take an affine step, with the noise of the whole
        frame, and each alone a step with what is left. Cloud over ground is not smooth: where the frame has layers each
        tile goes its own way. One least-squares step a frame, held by a prior; what it finds enters the field of the
        next frame.

        Parameters
        ----------
        frame, residual, predicted : ndarray of float32, shape (rows, cols)
            Calibrated frame, what it left over the background, and the expected variance of that up to ``scale``.
        scale : float
            Factor from ``predicted`` to the variance of the residual.
        """

        def sum_band(_: int, first: int, last: int) -> None:
            tile_normals(frame, residual, predicted, scale, CLIP_SIGMAS, first, last, self._normals)

        self._bands.run(sum_band, self._parts)
        prior_px = LOCAL_PRIOR_PX
        if not self.layered:
            learn_affine(self._normals, LOCAL_PRIOR_PX, self._local)
            prior_px = RELIEF_PRIOR_PX
        learn_field(self._normals, prior_px, self._local)

    def lay_anew(self, location: Location, state: SensorState) -> Location:
        """Take the frame that was located, of this pointing, as the grid: the background was resampled to it."""
        self._anchor = state
        self._grid, self._at, self._middle = np.zeros(2), np.zeros(2), np.zeros(2)
        self._local.fill(0.0)
        return replace(location, field=np.zeros((1, 1, 2), np.float32), step=(0, 0), outgrown=False)

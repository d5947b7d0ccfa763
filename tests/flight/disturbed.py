"""A drifting, jittering view of textured ground with movers of both polarities, and what disturbs it, one at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc

import cv2
import numpy as np

from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.wire.messages import ReportFlag, SensorState
from tests.bench.scenes import displaced, textured

ROWS, COLS = 256, 320
NOISE_DN = 6.0
PSF_SIGMA_PX = 0.9
FULL_SCALE_DN = 16383
PEAK_OF_SNR = NOISE_DN / (PSF_SIGMA_PX * np.sqrt(np.pi))
"""Peak of a spot of SNR 1 after the matched filter, sampled at a pixel's centre [DN]."""

OWN_PX = 6.0
"""Plots this near a mover are not counted as false [px]."""

HIT_PX = 2.5


def nominal(threshold: float) -> float:
    """False plots per pixel and frame that a threshold stands for: both sides of a Gaussian."""
    return erfc(threshold / np.sqrt(2.0))


def add_spots(image: np.ndarray, places: np.ndarray, peaks: np.ndarray) -> None:
    """Add spots of the point-spread function; what reaches over a border is cut off."""
    for (row, col), peak in zip(places, peaks, strict=True):
        r, c = round(row), round(col)
        rows = np.arange(max(r - 4, 0), min(r + 5, image.shape[0]))
        cols = np.arange(max(c - 4, 0), min(c + 5, image.shape[1]))
        if rows.size and cols.size:
            down = np.exp(-0.5 * ((rows - row) / PSF_SIGMA_PX) ** 2)
            along = np.exp(-0.5 * ((cols - col) / PSF_SIGMA_PX) ** 2)
            image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += peak * np.outer(down, along)


def blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur a periodic image: a jump where it closes would ring through all of the frame once it is displaced."""
    margin = int(np.ceil(4 * sigma_px))
    wide = cv2.GaussianBlur(np.pad(image, margin, mode="wrap"), (0, 0), sigma_px)
    return np.ascontiguousarray(wide[margin:-margin, margin:-margin])


class View:
    """Frames of a drifting ground with movers of both polarities under noise; everything from a seed.

    Disturbances take the clean image of frame ``k`` (before noise) or its samples, and change them in place.
    """

    def __init__(self, seed: int, snr: float = 10.0, drift: tuple[float, float] = (0.37, -0.61)) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = ROWS, COLS
        self.ground = textured(ROWS, COLS, seed, spread=80.0)
        self.drift = np.array(drift)
        self.fixed = self.rng.normal(0, 1.0, self.shape)
        n = 8
        self.at = self.rng.uniform(0.15, 0.85, (n, 2)) * self.shape
        angle, speed = self.rng.uniform(0, 2 * np.pi, n), self.rng.uniform(0.6, 1.8, n)
        self.by = speed[:, None] * np.stack((np.sin(angle), np.cos(angle)), 1)
        self.sign = np.where(np.arange(n) % 2, -1.0, 1.0)
        self.snr = snr
        self.jitter = self.rng.normal(0, 0.08, (2000, 2))

    def place(self, k: float) -> np.ndarray:
        """Displacement of the ground, towards higher pixels [px]."""
        return self.drift * k + self.jitter[int(k)]

    def movers(self, k: float) -> np.ndarray:
        """Where the movers stand; they come in again at the other side [px]."""
        return (self.at + (self.by + self.drift) * k) % self.shape

    def clean(self, k: float) -> np.ndarray:
        """The image of frame k without movers and noise."""
        row, col = self.place(k)
        return displaced(self.ground, -row, -col)

    def samples(self, k: float, image: np.ndarray) -> np.ndarray:
        """Add movers, noise and fixed pattern; digitise."""
        add_spots(image, self.movers(k), self.sign * self.snr * PEAK_OF_SNR)
        image += self.fixed + self.rng.normal(0, NOISE_DN, self.shape)
        return np.clip(np.rint(image), 0, FULL_SCALE_DN).astype(np.uint16)


@dataclass
class Counts:
    """What a run of the chain over a view gave."""

    false: int = 0
    pixels: int = 0
    hits: dict[int, int] | None = None
    asked: int = 0
    warm_up: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        """False plots per pixel and frame."""
        return self.false / max(self.pixels, 1)


Disturbance = Callable[[View, int], np.ndarray | None]
"""Gives the samples of a frame; None if it is lost."""


def undisturbed(view: View, k: int) -> np.ndarray:
    return view.samples(k, view.clean(k))


class Cloud:
    """Cloud with hard edges that slides over the ground: covers ground and, where it lies, is what the movers cross."""

    def __init__(self, view: View, slide: tuple[float, float] = (0.02, 0.03), height_dn: float = 150.0) -> None:
        shape = textured(ROWS, COLS, 77, level=0.0, spread=1.0)
        inner = textured(ROWS, COLS, 78, level=0.0, spread=25.0)
        self.cover = blurred(np.clip((shape - 0.8) / 0.25, 0, 1), PSF_SIGMA_PX)
        self.light = self.view_light = inner + 4000 + height_dn
        self.slide = np.array(slide)

    def __call__(self, view: View, k: int) -> np.ndarray:
        row, col = view.place(k) + self.slide * k
        cover = displaced(self.cover, -row, -col)
        light = displaced(self.light, -row, -col)
        image = view.clean(k)
        return view.samples(k, image + cover * (light - image))


class Glint:
    """Flashes of a sea in sunlight: spots that come and go within frames, in a part of the view."""

    def __init__(self, a_frame: float = 25.0) -> None:
        self.a_frame = a_frame

    def __call__(self, view: View, k: int) -> np.ndarray:
        image = view.clean(k)
        n = view.rng.poisson(self.a_frame)
        places = view.rng.uniform((30, 100), (170, 260), (n, 2))
        add_spots(image, places, view.rng.exponential(8.0 * PEAK_OF_SNR, n))
        return view.samples(k, image)


class Limb:
    """A third of the view is space, black but for stars that move otherwise than the ground; the edge moves too."""

    def __init__(self, view: View, stars: int = 12) -> None:
        rng = np.random.default_rng(99)
        self.stars = rng.uniform((0, 0), (ROWS, COLS), (stars, 2))
        self.peaks = rng.exponential(20.0 * PEAK_OF_SNR, stars) + 5 * PEAK_OF_SNR
        self.by = np.array([0.55, 0.3])

    def __call__(self, view: View, k: int) -> np.ndarray:
        image = view.clean(k)
        rows, cols = np.indices(image.shape)
        edge = 70 + 0.12 * k + 0.15 * cols
        share = 1 / (1 + np.exp(-np.clip((rows - edge) / 1.2, -50, 50)))
        sky = np.full(image.shape, 600.0)
        add_spots(sky, (self.stars + self.by * k) % image.shape, self.peaks)
        return view.samples(k, sky + share * (image - sky))


class RollingPattern:
    """A pattern of column and row offsets that rolls through the frame and flickers."""

    def __init__(self, view: View, sigma_dn: float = 6.0) -> None:
        rng = np.random.default_rng(5)
        self.columns, self.rows = rng.normal(0, sigma_dn, COLS), rng.normal(0, 0.5 * sigma_dn, ROWS)

    def __call__(self, view: View, k: int) -> np.ndarray:
        image = view.clean(k)
        image += np.roll(self.columns, 3 * k)
        image += np.roll(self.rows, k)[:, None]
        return view.samples(k, image)


class BadPixels:
    """Stuck, blinking and popcorn pixels (random telegraph signal) that no map names."""

    def __init__(self, view: View, share: float = 4e-4) -> None:
        rng = np.random.default_rng(6)
        n = int(share * ROWS * COLS)
        self.at = rng.choice(ROWS * COLS, n, replace=False)
        self.kind = np.arange(n) % 4
        self.rng = rng
        self.state = np.zeros(n, bool)

    def __call__(self, view: View, k: int) -> np.ndarray:
        samples = undisturbed(view, k)
        self.state ^= self.rng.random(self.at.size) < 0.15
        flat = samples.ravel()
        flat[self.at[self.kind == 0]] = FULL_SCALE_DN
        flat[self.at[self.kind == 1]] = 16000 if k % 2 else 200
        popcorn = self.at[(self.kind == 2) & self.state]
        flat[popcorn] += int(8 * NOISE_DN)
        weak = self.at[(self.kind == 3) & self.state]
        flat[weak] += int(30 * NOISE_DN)
        return samples


class CosmicRays:
    """Particles: single pixels and short tracks at any angle, as strong as they like, of one frame each."""

    def __init__(self, a_frame: float = 8.0) -> None:
        self.a_frame = a_frame

    def __call__(self, view: View, k: int) -> np.ndarray:
        samples = undisturbed(view, k).astype(np.float64)
        rng = view.rng
        for _ in range(rng.poisson(self.a_frame)):
            row, col = rng.uniform((0, 0), self.shape_of(view))
            length, angle = rng.exponential(2.0), rng.uniform(0, np.pi)
            strength = rng.uniform(10, 200) * NOISE_DN
            for t in np.arange(0, length + 0.25, 0.25):
                r, c = int(row + t * np.sin(angle)), int(col + t * np.cos(angle))
                if 0 <= r < ROWS and 0 <= c < COLS:
                    samples[r, c] += strength / 4
        return np.clip(samples, 0, FULL_SCALE_DN).astype(np.uint16)

    @staticmethod
    def shape_of(view: View) -> tuple[int, int]:
        return view.shape


class Saturated:
    """Parts of the ground are too bright for the detector: hot places some ten pixels wide, with an edge of two."""

    def __init__(self, view: View) -> None:
        shape = blurred(textured(ROWS, COLS, 81, level=0.0, spread=1.0), 3.0)
        bright = (shape > np.quantile(shape, 0.96)).astype(np.float64)
        self.over = 20000.0 * blurred(bright, 1.5)

    def __call__(self, view: View, k: int) -> np.ndarray:
        row, col = view.place(k)
        return view.samples(k, view.clean(k) + displaced(self.over, -row, -col))


def gaps(view: View, k: int) -> np.ndarray | None:
    """Frames are lost, one at a time and eight in a row, and some come without content."""
    if k % 17 == 16 or 60 <= k < 68:
        return None
    if k % 23 == 22:
        return np.zeros(view.shape, np.uint16)
    return undisturbed(view, k)


class Slew:
    """The view jumps to other ground at frame 50."""

    def __init__(self, view: View) -> None:
        self.first, self.second = view.ground, textured(ROWS, COLS, 82, spread=80.0)

    def __call__(self, view: View, k: int) -> np.ndarray:
        view.ground = self.first if k < 50 else self.second
        return undisturbed(view, k)


def run(
    view: View,
    disturb: Disturbance,
    n_frames: int,
    thresholds: tuple[float, ...],
    parameters: ChainParameters | None = None,
    settle: int = 15,
    states: list[SensorState] | None = None,
    times_ns: list[int] | None = None,
) -> dict[float, Counts]:
    """Step a chain through a view and count at several thresholds; the first ``settle`` frames do not count."""
    chain = Chain(parameters or ChainParameters(threshold=min(thresholds), max_plots=2000), *view.shape, FULL_SCALE_DN)
    counts = {threshold: Counts(hits={1: 0, -1: 0}) for threshold in thresholds}
    for k in range(n_frames):
        samples = disturb(view, k)
        if samples is None:
            continue
        result = chain.step(samples, states[k] if states else None, times_ns[k] if times_ns else None)
        if k < settle:
            continue
        places = view.movers(k)
        inside = (places > 8).all(1) & (places < np.array(view.shape) - 9).all(1)
        away = np.hypot(
            result.plots["row"][:, None] - places[:, 0], result.plots["col"][:, None] - places[:, 1]
        ).reshape(len(result.plots), len(places))
        for threshold, count in counts.items():
            over = result.plots["snr"] >= threshold
            count.warm_up += bool(result.flags & ReportFlag.WARM_UP)
            count.failed += bool(result.flags & ReportFlag.REGISTRATION_FAILED)
            count.pixels += ROWS * COLS
            count.false += int((over & (away > OWN_PX).all(1)).sum())
            bright = (result.plots["amplitude"] > 0)[:, None] == (view.sign > 0)
            hit = ((away < HIT_PX) & bright & over[:, None]).any(0)
            for sign in (1, -1):
                count.hits[sign] += int((hit & inside & (view.sign == sign)).sum())
            count.asked += int(inside.sum())
    return counts


DISTURBANCES: dict[str, Callable[[View], Disturbance]] = {
    "none": lambda view: undisturbed,
    "cloud edges": Cloud,
    "glint": lambda view: Glint(),
    "limb and stars": Limb,
    "rolling pattern": RollingPattern,
    "bad pixels": BadPixels,
    "cosmic rays": lambda view: CosmicRays(),
    "saturated region": Saturated,
    "frame gaps": lambda view: gaps,
    "slew": Slew,
}

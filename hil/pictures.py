"""Pictures of the report: the map of truth and tracks, frames with their plots, and enlarged movers.

Frames are rendered again from the scenario: the same seed gives the same samples that were injected. A frame is a small
SVG of its own: the samples as an embedded image, plots and truth as crisp marks over it.
"""

import base64
import html
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.hil.figures import PAPER, SOFT, WIDTH_IN, as_svg, house_style, mover_colour, satellite_colour
from lookdown.hil.maps import HALO, Maps
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scene.local import Scene
from lookdown.hil.score import NO_MOVER, Evidence, Score
from lookdown.hil.score_tracks import Float, spans
from lookdown.hil.truth import Truth

_CHIP_HALF_PX = 16
_APART = 15  # frames to those that are subtracted
_STRIP_TIMES = (0.2, 0.5, 0.8)
_STRIP_SATELLITES = 4
_NO_CAMERA = '<p class="say">No satellite carries an infrared sensor.</p>'
_NAME_KM = (20.0, 4.0)  # what a name takes on the map, across and down


class Pictures:
    """Draws the pictures of one run.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    scene : Scene
        Its scene.
    evidence : Evidence
        What the run left.
    score : Score
        Its score.
    """

    def __init__(self, scenario: Scenario, scene: Scene, evidence: Evidence, score: Score) -> None:
        self._scenario, self._scene, self._evidence, self._score = scenario, scene, evidence, score
        self._rendered: dict[tuple[int, int], NDArray[np.uint16]] = {}
        self._renderers = {index: Renderer(scenario, index, scene) for index in scenario.indices("infrared")}
        self._maps = Maps(scenario, scene, Truth(scenario, scene))

    def map(self) -> str:
        """Draw truth and tracks over the scene from above, and their heights over time."""
        evidence, tracks = self._evidence, self._score.tracks
        instant_s = (evidence.instants_ns - self._scenario.start_ns) * 1e-9
        with house_style("map"):
            figure = Figure(figsize=(WIDTH_IN, 6.9), layout="constrained")
            plan, heights = figure.subplots(1, 2, width_ratios=[2.2, 1.0])
            self._maps.draw_scene(plan)
            # What each satellite's frame covers at the start, the middle and the end.
            last = self._scenario.n_frames - 1
            self._maps.draw_footprints(plan, ((0, 0.35), (last // 2, 0.6), (last, 1.0)))
            for index, satellite in enumerate(self._scenario.satellite):
                plan.plot([], [], color=satellite_colour(index), lw=1.4, label=f"view of satellite {satellite.id}")
            ends: list[tuple[str, Float, Float]] = []
            for index, name in enumerate(evidence.movers if len(instant_s) else ()):
                colour = mover_colour(index)
                seen = tracks.n_views[index] > 0
                ground = self._maps.plan_km(evidence.truth_m[index])
                height_km = ecef_to_geodetic(evidence.truth_m[index])[2] / 1e3
                plan.plot(*ground.T, color=colour, lw=1.2, ls=(0, (2, 2)), path_effects=[HALO])
                plan.plot(*np.where(seen[:, None], ground, np.nan).T, color=colour, lw=4.5, alpha=0.55)
                heights.plot(instant_s, height_km, color=colour, lw=4.5, alpha=0.4, label=name)
                ends.append((name, ground[-1], ground[-1] - ground[0]))
            self._draw_names(plan, ends)
            for track in range(len(tracks.grid.ids)):
                colour = "#ff4d4d" if tracks.is_false[track] else "white"
                position = tracks.grid.position_m[track]
                plan.plot(*self._maps.plan_km(position).T, color=colour, lw=1.3, path_effects=[HALO])
                height_km = np.full(len(position), np.nan)
                held = tracks.grid.held[track]
                height_km[held] = ecef_to_geodetic(position[held])[2] / 1e3
                heights.plot(instant_s, height_km, color="#ff4d4d" if tracks.is_false[track] else SOFT, lw=1.3)
            self._frame_plan(plan)
            heights.plot([], [], color=SOFT, lw=1.3, label="confirmed tracks")
            heights.set(title="Height over the ellipsoid", ylabel="height [km]", xlabel="time from start [s]")
            heights.set_ylim(0, None)
            heights.legend(fontsize=8.5, loc="upper center", bbox_to_anchor=(0.45, -0.1), ncols=2)
            return as_svg(figure, "map")

    def _draw_names(self, plan: Axes, ends: list[tuple[str, Float, Float]]) -> None:
        """Write names beside the ends of paths, on the side away from their starts, none over another."""
        taken: list[tuple[float, float]] = []
        for name, end, way in sorted(ends, key=lambda item: float(item[1][1])):
            east_km, north_km = end + np.sign(way) * [1.0, 1.5]
            while any(abs(east_km - x) < _NAME_KM[0] and abs(north_km - y) < _NAME_KM[1] for x, y in taken):
                north_km += 0.5 * _NAME_KM[1]
            taken.append((east_km, north_km))
            side = "left" if way[0] >= 0 else "right"
            text = plan.text(east_km, north_km, name, ha=side, va="center", color="white", fontsize=9, clip_on=True)
            text.set_path_effects([HALO])

    def _frame_plan(self, plan: Axes) -> None:
        drawn = np.concatenate([np.asarray(line.get_data(), np.float64).ravel() for line in plan.get_lines()])
        reach_km = 1.03 * float(np.nanmax(np.abs(drawn), initial=1.0))
        half_km = min(0.5e-3 * self._scenario.scene.extent_m, reach_km)
        plan.set(xlim=(-half_km, half_km), ylim=(-half_km, half_km), aspect="equal")
        plan.set(xlabel="east of the scene's centre [km]", ylabel="north [km]", title="Truth, tracks and views")
        plan.grid(visible=False)
        plan.plot([], [], color=SOFT, lw=4.5, alpha=0.55, label="mover, while in view")
        plan.plot([], [], color="white", lw=1.3, label="confirmed track", path_effects=[HALO])
        plan.legend(fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3, facecolor=PAPER)

    def strip(self) -> str:
        """Frames of several satellites, a row a time, with plots and truth marked."""
        rows = []
        if not self._renderers:
            return _NO_CAMERA
        for share in _STRIP_TIMES:
            frame_id = int(share * (self._scenario.n_frames - 1))
            cells = "".join(self._frame(index, frame_id) for index in list(self._renderers)[:_STRIP_SATELLITES])
            rows.append(f'<div class="strip">{cells}</div>')
        return "".join(rows)

    def chips(self) -> str:
        """Draw each mover enlarged, as the satellites saw it at the instant when most of them did."""
        rows = []
        if not self._renderers:
            return _NO_CAMERA
        for mover, name in enumerate(self._evidence.movers):
            frame_id = self._best_frame(mover)
            cells = [self._chip(index, frame_id, mover) for index in self._renderers]
            shown = "".join(cell for cell in cells if cell) or '<span class="soft">never in view</span>'
            label = f'<b style="color:{mover_colour(mover)}">{html.escape(name)}</b>'
            time_s = frame_id / self._scenario.frame_rate_hz
            rows.append(
                f'<div class="chiprow"><div>{label}<br><span class="soft">{time_s:.1f} s</span></div>{shown}</div>'
            )
        return f'<div class="chips">{"".join(rows)}</div>'

    def _best_frame(self, mover: int) -> int:
        """Frame number in the middle of the longest run in which most satellites see the mover."""
        views = self._score.tracks.n_views[mover]
        if not len(views):
            return 0
        runs = spans((views == views.max())[None])
        _, first, last = max(runs, key=lambda run: run[2] - run[1])
        time_ns = self._evidence.instants_ns[(first + last) // 2]
        frame = round((int(time_ns) - self._scenario.start_ns) * 1e-9 * self._scenario.frame_rate_hz)
        return min(max(frame, 0), self._scenario.n_frames - 1)

    def _change(self, index: int, frame_id: int, row: int, col: int) -> NDArray[np.float32]:
        """Difference about a pixel between a frame and the mean of an earlier and a later one, laid over it.

        The height over ground at which the background best cancels (cloud or surface) sets the shift.
        """
        last = self._scenario.n_frames - 1
        others = [frame for frame in (frame_id - _APART, frame_id + _APART) if 0 <= frame <= last]
        now = _cut(self._samples(index, frame_id), row, col)
        tops_m = self._scenario.scene.cloud.height_m
        changes = []
        for height_m in (0.0, 0.5 * tops_m, tops_m, 1.2 * tops_m):
            before = [self._laid_over(index, frame_id, other, (row, col), height_m) for other in others]
            changes.append(now - np.mean(before, axis=0) if before else now)
        return np.asarray(min(changes, key=lambda change: float(np.median(np.abs(change)))), np.float32)

    def _laid_over(
        self, index: int, frame_id: int, other: int, pixel: tuple[int, int], height_m: float
    ) -> NDArray[np.float32]:
        """Cut out of another frame what a pixel of this one shows of the surface at a height."""
        truth, camera = self._renderers[index].truth, self._scenario.sensor.camera
        (here, there), _, (now, then) = truth.sensor(index, [frame_id, other])
        sight = camera.sight_ecef(*camera.tangent_from_pixel(*pixel), now)
        row, col, _ = camera.project(intersect_ellipsoid(here, sight, height_m), there, then)
        side = 2 * _CHIP_HALF_PX + 1
        samples = self._samples(index, other).astype(np.float32)
        move = np.array([[1.0, 0.0, float(col) - _CHIP_HALF_PX], [0.0, 1.0, float(row) - _CHIP_HALF_PX]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(samples, move, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
        )

    def _samples(self, index: int, frame_id: int) -> NDArray[np.uint16]:
        """Render a frame, once, with its known bad pixels replaced."""
        if (index, frame_id) not in self._rendered:
            renderer = self._renderers[index]
            samples, bad = renderer.frame(frame_id)[0].samples, renderer.detector.known_bad
            samples[bad] = cv2.medianBlur(samples, 5)[bad]
            self._rendered[index, frame_id] = samples
        return self._rendered[index, frame_id]

    def _marks(self, index: int, frame_id: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Truth rows, plots and the movers of these plots, in one frame."""
        sensor_id = self._scenario.satellite[index].id
        seen, plots = self._evidence.seen, self._evidence.plots
        of_seen = (seen["sensor_id"] == sensor_id) & (seen["frame_id"] == frame_id) & seen["inside"]
        of_plots = (plots["sensor_id"] == sensor_id) & (plots["frame_id"] == frame_id)
        return seen[of_seen], plots[of_plots], self._score.mover[of_plots]

    def _frame(self, index: int, frame_id: int) -> str:
        samples = self._samples(index, frame_id)
        rows, cols = samples.shape
        truth, plots, movers = self._marks(index, frame_id)
        scale = min(1.0, 420.0 / cols)
        small = cv2.resize(_stretched(samples), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        radius = cols / 55
        marks = [_plot_mark(plot, mover, radius) for plot, mover in zip(plots, movers, strict=True)]
        marks += [_truth_mark(row, 1.6 * radius) for row in truth]
        time_s = frame_id / self._scenario.frame_rate_hz
        n_false = int(np.count_nonzero(movers == NO_MOVER))
        caption = f"satellite {self._scenario.satellite[index].id}, {time_s:.1f} s: {_count(len(truth), 'mover')}, "
        caption += f"{_count(len(plots), 'plot')}, {n_false} false"
        return _svg_image(_jpeg(small), cols, rows, marks, caption)

    def _chip(self, index: int, frame_id: int, mover: int) -> str:
        truth, plots, movers = self._marks(index, frame_id)
        own = truth[truth["mover"] == mover]
        if not len(own):
            return ""
        row, col = round(float(own["row"][0])), round(float(own["col"][0]))
        side = 2 * _CHIP_HALF_PX + 1
        chip = _about_the_middle(self._change(index, frame_id, row, col))
        marks = []
        for plot, of in zip(plots, movers, strict=True):
            shifted = plot.copy()
            shifted["row"], shifted["col"] = plot["row"] - row + _CHIP_HALF_PX, plot["col"] - col + _CHIP_HALF_PX
            if 0 <= shifted["row"] < side and 0 <= shifted["col"] < side:
                marks.append(_plot_mark(shifted, of, 3.5))
        found = plots["snr"][movers == mover]
        said = f"plot, SNR {found.max():.1f}" if len(found) else "hidden" if own["hidden"][0] else "no plot"
        ok, data = cv2.imencode(".png", chip)
        picture = f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}" if ok else ""
        return _svg_image(picture, side, side, marks, f"satellite {self._scenario.satellite[index].id}: {said}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _cut(samples: NDArray[np.uint16], row: int, col: int) -> NDArray[np.float32]:
    """Cut out the pixels about one."""
    padded = np.pad(samples.astype(np.float32), _CHIP_HALF_PX, mode="edge")
    return np.asarray(padded[row : row + 2 * _CHIP_HALF_PX + 1, col : col + 2 * _CHIP_HALF_PX + 1], np.float32)


def _about_the_middle(change: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn a difference into 8 bits so that its middle spans the scale, or four sigmas where nothing stands out."""
    change = change - np.median(change)
    middle = change[_CHIP_HALF_PX - 1 : _CHIP_HALF_PX + 2, _CHIP_HALF_PX - 1 : _CHIP_HALF_PX + 2]
    reach = max(float(np.abs(middle).max()), 4.0 * 1.4826 * float(np.median(np.abs(change))), 1.0)
    return np.asarray(np.clip(127.5 + 127.5 / reach * change, 0, 255), np.uint8)


def _stretched(samples: NDArray[Any], percentiles: Sequence[float] = (0.5, 99.8)) -> NDArray[np.uint8]:
    """Turn samples into 8 bits between two of their percentiles."""
    low, high = (float(value) for value in np.percentile(samples, percentiles))
    return np.asarray(np.clip((samples - low) * (255.0 / max(high - low, 1.0)), 0, 255), np.uint8)


def _jpeg(image: Any) -> str:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}" if ok else ""


def _svg_image(picture: str, cols: int, rows: int, marks: Sequence[str], caption: str) -> str:
    return (
        f'<figure><svg viewBox="-0.5 -0.5 {cols} {rows}" role="img" aria-label="{html.escape(caption)}">'
        f'<image href="{picture}" x="-0.5" y="-0.5" width="{cols}" height="{rows}" preserveAspectRatio="none"/>'
        f"{''.join(marks)}</svg><figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _plot_mark(plot: Any, mover: int, radius: float) -> str:
    kind = "false" if mover == NO_MOVER else "found"
    return f'<circle class="{kind}" cx="{plot["col"]:.1f}" cy="{plot["row"]:.1f}" r="{radius:.1f}"/>'


def _truth_mark(row: Any, reach: float) -> str:
    """Four ticks about a mover, open in the middle; dashed where cloud hides it."""
    y, x = float(row["row"]), float(row["col"])
    ticks = "".join(
        f"M{x + 0.8 * reach * dx:.1f} {y + 0.8 * reach * dy:.1f}l{0.9 * reach * dx:.1f} {0.9 * reach * dy:.1f}"
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )
    kind = "truth hidden" if row["hidden"] else "truth"
    return f'<path class="{kind}" style="stroke:{mover_colour(int(row["mover"]))}" d="{ticks}"/>'

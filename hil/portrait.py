"""Portrait of a scenario: a frame, what changes in it, the scene from above, the satellites over the globe.

What changes is what is left of a frame when its neighbours in time are laid over it and subtracted. Movers are
marked where the truth has them, with the SNR that is expected after a matched filter.
"""

import errno
import io
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Picture

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.geo.ground_shift import shift_field
from lookdown.geo.sun import sun_direction
from lookdown.hil.figures import MOVER_COLOURS, SATELLITE_COLOURS, mover_colour
from lookdown.hil.maps import HALO, Maps
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer, make_scene
from lookdown.hil.truth import Truth

Image = NDArray[np.float32]

LARGEST_BYTES = 200_000
"""A portrait is drawn so coarsely that it takes no more than this."""

STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": "#909090",
    "axes.labelcolor": "#505050",
    "xtick.color": "#808080",
    "ytick.color": "#808080",
}
_SIZE_IN = (11.6, 8.92)
_DPI, _LEAST_DPI = 114, 76  # at the first, a frame of 640 columns is drawn pixel by pixel
_GREYS = 64  # of the palette
_NEUTRAL = 12  # largest difference between red, green and blue of what counts as grey
_LOOKS = 40  # instants at which the best view is sought
_APART_S = 2.0  # from a frame to those that are subtracted from it
_REACH_SIGMA = 12.0  # the difference is drawn between minus and plus this
_LEVELS = ((25, 13), (21, 11), (17, 11), (13, 9), (9, 7), (5, 3))
"""Greys of the frame and of the difference, most first: what is drawn finer than the noise only fills the file."""

_CHIP_HALF_PX = 12
_CHIP_SIGMA = 5.0  # a chip spans its middle, or this where nothing stands out
_MOST_LISTED = 16
_LABEL_PT = 7.5
_TICKS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def draw_portrait(
    scenario: Scenario, out: Path, satellite_id: int | None = None, time_s: float | None = None
) -> tuple[int, float]:
    """Draw a scenario into a PNG file.

    Parameters
    ----------
    scenario : Scenario
        Scenario.
    out : Path
        File to write; it appears whole or not at all.
    satellite_id : int or None
        Satellite whose frame is shown; None for the one that sees most movers.
    time_s : float or None
        Time of the frame from the start [s]; None for that at which most movers are seen.

    Returns
    -------
    satellite_id, time_s
        Which frame was drawn.

    Raises
    ------
    ValueError
        If there is no such satellite, or the time lies outside the scenario.
    FileNotFoundError
        If there is no folder to write into.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"{out}: cannot be written, no folder {out.parent}; make it first")
    truth = Truth(scenario, make_scene(scenario))
    index, frame_id = _choose(truth, satellite_id, time_s)
    assert truth.scene is not None
    renderer = Renderer(scenario, index, truth.scene)
    while renderer.dropped(frame_id) and frame_id + 1 < scenario.n_frames:
        frame_id += 1
    data, dpi = b"", float(_DPI)
    with mpl.rc_context(STYLE):
        for levels in _LEVELS:
            figure = Figure(figsize=_SIZE_IN, dpi=dpi)
            _draw(figure, renderer, frame_id, levels)
            data = _as_png(figure)
            if len(data) <= LARGEST_BYTES:
                break
            dpi = float(max(np.floor(0.97 * dpi * np.sqrt(LARGEST_BYTES / len(data))), _LEAST_DPI))
    write_whole(out, data)
    return scenario.satellite[index].id, frame_id / scenario.frame_rate_hz


def write_whole(out: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(data)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _choose(truth: Truth, satellite_id: int | None, time_s: float | None) -> tuple[int, int]:
    """Index of a satellite and number of a frame: those asked for, else those that see most movers."""
    scenario = truth.scenario
    ids = [satellite.id for satellite in scenario.satellite]
    if satellite_id is not None and satellite_id not in ids:
        raise ValueError(f"satellite: wanted one of {', '.join(map(str, ids))}, got {satellite_id}; choose one")
    if time_s is not None and not 0.0 <= time_s <= scenario.duration_s:
        raise ValueError(f"time: wanted 0 to {scenario.duration_s:g} s, got {time_s:g}; choose one within the scenario")
    last = scenario.n_frames - 1
    if time_s is not None:
        frames = np.array([min(round(time_s * scenario.frame_rate_hz), last)])
    else:
        frames = np.unique(np.linspace(0, last, min(_LOOKS, last + 1)).round().astype(np.int64))
    indices = [i for i in scenario.indices("infrared") if satellite_id in (None, ids[i])]
    # The middle of the scenario where several views are as good.
    from_middle = np.abs(frames - 0.5 * last) / (last + 1.0)
    value = np.stack([_seen(truth.appearances(index, frames)).sum(axis=-1) - from_middle for index in indices])
    best_satellite, best_frame = np.unravel_index(np.argmax(value), value.shape)
    return indices[int(best_satellite)], int(frames[best_frame])


def _seen(rows: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(rows["inside"] & ~rows["hidden"], np.bool_)


def _draw(figure: Figure, renderer: Renderer, frame_id: int, levels: tuple[int, int]) -> None:
    scenario, truth, sensor = renderer.scenario, renderer.truth, renderer.scenario.sensor
    write_head(
        figure, scenario,
        f"{sensor.band_um[0]:g} to {sensor.band_um[1]:g} um, {1e6 * sensor.ifov_rad:.3g} urad a pixel, {sensor.cols} x "
        f"{sensor.rows} px, {1e3 * sensor.exposure_s:.3g} ms, {scenario.frame_rate_hz:g} frames/s",
    )  # fmt: skip
    rows = truth.appearances(renderer.satellite_index, frame_id)
    samples = renderer.frame(frame_id)[0].samples
    low, high = (float(value) for value in np.percentile(samples[~renderer.detector.known_bad], [0.3, 99.9]))
    axes = _axes(figure, 0.12, 3.62, 5.62, 4.5)
    time_s, who = frame_id / scenario.frame_rate_hz, scenario.satellite[renderer.satellite_index].id
    axes.set_title(
        f"Raw frame, satellite {who} at {time_s:g} s: {low:.0f} to {high:.0f} of {(1 << sensor.bits) - 1} counts"
    )
    _show(axes, samples.astype(np.float32), low, max(high, low + 1.0), levels[0])
    _mark(axes, scenario, rows)

    change, apart_s = _change(renderer, frame_id, samples)
    change /= max(1.4826 * float(np.median(np.abs(change))), 1e-6)
    axes = _axes(figure, 5.86, 3.62, 5.62, 4.5)
    said = f"less the frames {apart_s:g} s before and after, laid over" if apart_s else "less its own local median"
    axes.set_title(f"The same {said}: -{_REACH_SIGMA:g} to {_REACH_SIGMA:g} sigma")
    _show(axes, change, -_REACH_SIGMA, _REACH_SIGMA, levels[1])
    _mark(axes, scenario, rows)

    maps = Maps(scenario, renderer.scene, truth)
    draw_plan(_axes(figure, 0.66, 0.48, 2.82, 2.82), scenario, truth, maps, frame_id)
    axes = _axes(figure, 4.24, 0.48, 2.82, 2.82)
    axes.set(title="Satellites, ground tracks and views", xlabel="east of the scene's centre [km]")
    maps.draw_globe(axes, frame_id)
    _list_movers(_axes(figure, 7.4, 0.1, 4.05, 3.23), scenario, rows, change)


def write_head(figure: Figure, scenario: Scenario, sensor: str) -> None:
    """Write the title of a scenario and a line of what its sensor and its run are."""
    figure.text(0.012, 0.973, scenario.title, fontsize=13, weight="bold", va="center")
    head = f"{scenario.name}: {sensor}, {scenario.duration_s:g} s from {scenario.start}, seed {scenario.seed}"
    figure.text(0.012, 0.946, head, fontsize=9, color="#505050", va="center")


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches."""
    across, up = _SIZE_IN
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _show(axes: Axes, image: Image, low: float, high: float, greys: int) -> None:
    """Draw an image in few greys, so that noise does not fill the file."""
    rows, cols = image.shape
    shrink = min(1.0, axes.get_position().width * _SIZE_IN[0] * axes.figure.dpi / cols)
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 0.98 else image
    levels = np.round((small - low) * ((greys - 1) / (high - low)))
    extent = (-0.5, cols - 0.5, rows - 0.5, -0.5)
    axes.imshow(levels, cmap="gray", vmin=0, vmax=greys - 1, interpolation="nearest", extent=extent)
    axes.set(xticks=[], yticks=[])


def _change(renderer: Renderer, frame_id: int, samples: NDArray[np.uint16]) -> tuple[Image, float]:
    """Difference of a frame to the mean of an earlier and a later one, and how far they are [DN, s].

    Each is laid over the frame as ground and as cloud would move; the one that cancels better counts, place by place.
    A view with sky in it, or a single frame, is held against its own local median.
    """
    scenario, bad = renderer.scenario, renderer.detector.known_bad
    step = min(round(_APART_S * scenario.frame_rate_hz), max(scenario.n_frames // 3, 1))
    others = [k for k in (frame_id - step, frame_id + step) if 0 <= k < scenario.n_frames]
    now = _repaired(samples, bad)
    heights_m = [0.0] if scenario.scene.cloud.cover == 0.0 else [0.0, scenario.scene.cloud.height_m]
    changes = []
    for height_m in heights_m:
        fields = [_field(renderer, k, frame_id, height_m) for k in others]
        if not fields or not all(np.isfinite(field).all() for field in fields):
            return now - cv2.medianBlur(now, 5), 0.0
        images = [_repaired(renderer.frame(k)[0].samples, bad) for k in others]
        laid = np.ma.masked_invalid([_laid_over(*pair) for pair in zip(images, fields, strict=True)])
        changes.append((now - laid.mean(axis=0)).filled(0.0))
    rest = np.stack([cv2.blur(np.abs(change), (25, 25)) for change in changes])
    return np.asarray(np.choose(np.argmin(rest, axis=0), changes), np.float32), step / scenario.frame_rate_hz


def _repaired(samples: NDArray[np.uint16], bad: NDArray[np.bool_]) -> Image:
    """Replace known bad pixels by the median around them."""
    return np.where(bad, cv2.medianBlur(samples, 5), samples).astype(np.float32)


def _field(renderer: Renderer, earlier: int, frame_id: int, height_m: float) -> Image:
    """Where each pixel of a frame lay in another, as displacements, shape (rows, cols, 2) [px]."""
    (there, here), _, (then, now) = renderer.truth.sensor(renderer.satellite_index, [earlier, frame_id])
    sensor = renderer.scenario.sensor
    field = shift_field(sensor.camera, there, then, here, now, height_m, sensor.rows // 8, sensor.cols // 8)
    return np.asarray(cv2.resize(field.astype(np.float32), (sensor.cols, sensor.rows)), np.float32)


def _laid_over(image: Image, field: Image) -> Image:
    """Resample an image by displacements; nan where they leave it."""
    row, col = np.indices(image.shape, np.float32)
    at = (col + field[..., 1], row + field[..., 0])
    moved = cv2.remap(image, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
    return np.asarray(moved, np.float32)


def _mark(axes: Axes, scenario: Scenario, rows: NDArray[Any]) -> None:
    """Mark movers by four open ticks, dotted where cloud hides them; name and SNR beside, none over another."""
    sensor = scenario.sensor
    box = axes.get_position()
    px_per_pt = sensor.cols / (72.0 * box.width * _SIZE_IN[0])
    reach = 5.0 * px_per_pt
    inside = rows[rows["inside"]]
    taken = [_box(float(row["col"]), float(row["row"]), 3.6 * reach, 3.6 * reach) for row in inside]
    for row in inside:
        colour, x, y = mover_colour(int(row["mover"])), float(row["col"]), float(row["row"])
        style = (0, (1, 1)) if row["hidden"] else "-"
        for dx, dy in _TICKS:
            ends = ([x + 0.8 * reach * dx, x + 1.8 * reach * dx], [y + 0.8 * reach * dy, y + 1.8 * reach * dy])
            axes.plot(*ends, color=colour, lw=1.3, ls=style, path_effects=[HALO])
        label = f"{scenario.mover[int(row['mover'])].name} " + ("hidden" if row["hidden"] else f"{row['snr']:.1f}")
        width, height = 0.56 * len(label) * _LABEL_PT * px_per_pt, 1.25 * _LABEL_PT * px_per_pt
        place = _free_place(x, y, width, height, 2.0 * reach, taken, (sensor.cols, sensor.rows))
        taken.append(place)
        axes.annotate(
            label, (x, y), (0.5 * (place[0] + place[2]), 0.5 * (place[1] + place[3])), color="white",
            fontsize=_LABEL_PT, ha="center", va="center", path_effects=[HALO],
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.8, "shrinkA": 0, "shrinkB": 9},
        )  # fmt: skip
    axes.set(xlim=(-0.5, sensor.cols - 0.5), ylim=(sensor.rows - 0.5, -0.5))


_Box = tuple[float, float, float, float]


def _box(x: float, y: float, width: float, height: float) -> _Box:
    """Left, top, right, bottom of a box about a point [px]."""
    return (x - 0.5 * width, y - 0.5 * height, x + 0.5 * width, y + 0.5 * height)


def _free_place(
    x: float, y: float, width: float, height: float, reach: float, taken: list[_Box], size: tuple[int, int]
) -> _Box:
    """Find a box for a label near a mark, inside the frame and over nothing else [px]."""
    boxes = []
    for away in (1.0, 1.6, 2.4, 3.4, 4.6, 6.0):
        side, up = away * reach + 0.5 * width, away * reach + 0.5 * height
        for dx, dy in ((side, 0), (-side, 0), (0, -up), (0, up), (side, -up), (-side, -up), (side, up), (-side, up)):
            boxes.append(_box(x + dx, y + dy, width, height))
    within = [box for box in boxes if box[0] >= 0 and box[1] >= 0 and box[2] < size[0] and box[3] < size[1]] or boxes
    free = [box for box in within if not any(_meet(box, other) for other in taken)]
    return (free or within)[0]


def _meet(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def draw_plan(axes: Axes, scenario: Scenario, truth: Truth, maps: Maps, frame_id: int) -> None:
    """Draw paths of movers and outlines of views over the scene; circles show where the movers are in the frame."""
    maps.draw_scene(axes)
    maps.draw_footprints(axes, ((frame_id, 1.0),))
    times = scenario.frame_time_ns(np.linspace(0, scenario.n_frames - 1, 60).round().astype(np.int64))
    now = scenario.frame_time_ns(frame_id)
    for mover in range(len(scenario.mover)):
        colour = mover_colour(mover)
        axes.plot(*maps.plan_km(truth.mover_state(mover, times)[0]).T, color=colour, lw=1.4, path_effects=[HALO])
        axes.plot(*maps.plan_km(truth.mover_state(mover, now)[0]), "o", color=colour, ms=4, mec="white", mew=0.7)
    drawn = np.concatenate([np.asarray(line.get_data(), np.float64).ravel() for line in axes.get_lines()])
    half_km = min(0.5e-3 * scenario.scene.extent_m, 1.05 * float(np.nanmax(np.abs(drawn), initial=1.0)))
    axes.set(xlim=(-half_km, half_km), ylim=(-half_km, half_km), aspect="equal")
    lat, lon = scenario.scene.lat_deg, (scenario.scene.lon_deg + 180.0) % 360.0 - 180.0
    up = enu_axes(np.radians(lat), np.radians(lon))[2]
    sun_deg = np.degrees(np.arcsin(up @ sun_direction(int(now))))
    where = f"{abs(lat):g} {'NS'[lat < 0]} {abs(lon):g} {'EW'[lon < 0]}"
    stands = "up" if sun_deg > 0.0 else "down"
    axes.set(title=f"From above: {where}, sun {abs(sun_deg):.0f} deg {stands}")
    axes.set_xlabel("east of the scene's centre [km]")
    axes.set_ylabel("north [km]", labelpad=1)


def _list_movers(axes: Axes, scenario: Scenario, rows: NDArray[Any], change: Image) -> None:
    """List what moves, with what it shows in the frame and how it looks there, enlarged."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
    axes.set_title("Movers in this frame")
    heads = (("name", 0.1, "left"), ("height km", 0.67, "right"), ("m/s", 0.82, "right"), ("SNR", 1.0, "right"))
    for head, x, side in heads:
        axes.text(x, 0.97, head, ha=side, va="center", color="#505050", fontsize=8)
    step = min(0.105, 0.92 / (min(len(rows), _MOST_LISTED) + 1))
    aspect = axes.get_position().height * _SIZE_IN[1] / (axes.get_position().width * _SIZE_IN[0])
    padded = np.pad(change, _CHIP_HALF_PX, constant_values=0.0)
    for line, row in enumerate(rows[:_MOST_LISTED]):
        y, mover = 0.96 - (line + 1) * step, int(row["mover"])
        height_km = 1e-3 * max(float(ecef_to_geodetic(row["position_m"])[2]), 0.0)
        height = f"{height_km:.1f}" if height_km >= 1.0 else f"{height_km:.2f}"
        snr = f"{row['snr']:.1f}" if _seen(row) else "hidden" if row["inside"] else "outside"
        name, speed = scenario.mover[mover].name, f"{np.linalg.norm(row['velocity_m_s']):.0f}"
        for (_, x, side), cell in zip(heads, (name, height, speed, snr), strict=True):
            look: dict[str, Any] = {"color": mover_colour(mover), "weight": "bold"} if side == "left" else {}
            axes.text(x, y, cell, ha=side, va="center", fontsize=8, **look)
        if row["inside"]:
            top, left = round(float(row["row"])), round(float(row["col"]))
            chip = padded[top : top + 2 * _CHIP_HALF_PX + 1, left : left + 2 * _CHIP_HALF_PX + 1]
            extent = (0.0, 0.94 * step * aspect, y - 0.47 * step, y + 0.47 * step)
            reach = max(float(np.abs(chip[_CHIP_HALF_PX - 1 :, _CHIP_HALF_PX - 1 :][:3, :3]).max()), _CHIP_SIGMA)
            axes.imshow(chip, "gray", aspect="auto", interpolation="nearest", vmin=-reach, vmax=reach, extent=extent)
    if len(rows) > _MOST_LISTED:
        axes.text(0.1, 0.01, f"and {len(rows) - _MOST_LISTED} more", fontsize=8, color="#505050")
    if not len(rows):
        axes.text(0.0, 0.9, "none: whatever a chain finds here is false", fontsize=8, color="#505050")


def _as_png(figure: Figure) -> bytes:
    """Turn a figure into PNG data with a palette of greys and the colours of the house."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    drawn.seek(0)
    whole = Picture.open(drawn).convert("RGB")
    palette = Picture.new("P", (1, 1))
    palette.putpalette(_palette())
    chosen = np.asarray(whole.quantize(palette=palette, dither=Picture.Dither.NONE))
    pixels = np.asarray(whole).astype(np.int16)
    grey = np.rint(pixels.mean(axis=-1) * ((_GREYS - 1) / 255.0)).astype(np.uint8)
    reduced = Picture.fromarray(np.where(np.ptp(pixels, axis=-1) < _NEUTRAL, grey, chosen))
    reduced.putpalette(_palette())
    reduced.save(packed, format="png", optimize=True)
    return packed.getvalue()


def _palette() -> bytes:
    """Greys from black to white, and the colours of movers and satellites, pure and blended with greys."""
    colours = [np.full(3, level) for level in np.linspace(0.0, 255.0, _GREYS)]
    for name in (*MOVER_COLOURS, *SATELLITE_COLOURS):
        pure = 255.0 * np.array(to_rgb(name))
        colours += [pure, 0.5 * pure, 0.5 * (pure + 128.0), 0.5 * (pure + 255.0)]
    return np.rint(colours).astype(np.uint8).tobytes()

"""Portrait of a radar scenario: an interval before and behind the adaptive filter, the scene from above, the globe."""

import errno
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.hil.figures import mover_colour
from lookdown.hil.maps import Maps
from lookdown.hil.plan import Scenario
from lookdown.hil.portrait import STYLE, draw_plan, write_head, write_whole
from lookdown.hil.radar.cells import mover_of, seen_of
from lookdown.hil.radar.maps import draw_pair, make_maps
from lookdown.hil.radar.render import RadarRenderer
from lookdown.hil.render import make_scene
from lookdown.hil.truth import Truth

_SIZE_IN, _DPI = (11.6, 8.6), 77


def draw_radar_portrait(
    scenario: Scenario, out: Path, satellite_id: int | None = None, time_s: float | None = None
) -> tuple[int, float]:
    """Draw a scenario of radar satellites into a PNG file; as `lookdown.hil.portrait.draw_portrait`.

    Without a choice the interval is that in which most movers are in the beam and faster than the clutter.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"{out}: cannot be written, no folder {out.parent}; make it first")
    ids = {scenario.satellite[index].id: index for index in scenario.indices("radar")}
    if satellite_id is not None and satellite_id not in ids:
        raise ValueError(f"satellite: wanted one of {', '.join(map(str, ids))}, got {satellite_id}; choose one")
    if time_s is not None and not 0.0 <= time_s <= scenario.duration_s:
        raise ValueError(f"time: wanted 0 to {scenario.duration_s:g} s, got {time_s:g}; choose one within the scenario")
    chosen = list(ids.values()) if satellite_id is None else [ids[satellite_id]]
    frames = np.arange(scenario.n_frames)
    if time_s is not None:
        frames = np.array([min(round(time_s * scenario.frame_rate_hz), scenario.n_frames - 1)])
    worth = [
        (seen["inside"] & ~seen["hidden"]).reshape(len(frames), -1).sum(axis=1)
        for seen in (seen_of(RadarRenderer(scenario, index).looks, frames)[0] for index in chosen)
    ]
    best, at = np.unravel_index(int(np.argmax(worth)), np.shape(worth))
    index, frame_id = chosen[int(best)], int(frames[int(at)])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_SIZE_IN, dpi=_DPI)
        _draw(figure, scenario, index, frame_id)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", pil_kwargs={"optimize": True})
        write_whole(out, drawn.getvalue())
    return scenario.satellite[index].id, frame_id / scenario.frame_rate_hz


def _draw(figure: Figure, scenario: Scenario, index: int, frame_id: int) -> None:
    renderer, who = RadarRenderer(scenario, index), scenario.satellite[index].id
    radar = renderer.looks.config.instrument
    write_head(
        figure, scenario,
        f"radar, {1e2 * radar.wavelength_m:g} cm, {radar.channels} channels x {radar.pulses} pulses x {radar.ranges} "
        f"ranges, {scenario.frame_rate_hz:g} intervals/s; satellite {who} at {frame_id / scenario.frame_rate_hz:g} s",
    )  # fmt: skip
    seen, _ = seen_of(renderer.looks, np.array([frame_id]))
    axes = _axes(figure, 0.85, 4.2, 4.75, 3.3), _axes(figure, 5.75, 4.2, 5.2, 3.3)
    pair = make_maps(renderer, frame_id)
    mover = mover_of(seen, pair.plots, scenario.scoring.plot_gate_px)
    draw_pair(figure, axes, renderer.looks, pair, seen, pair.plots, mover)
    truth = Truth(scenario, make_scene(scenario))
    assert truth.scene is not None
    maps = Maps(scenario, truth.scene, truth)
    draw_plan(_axes(figure, 0.66, 0.48, 2.82, 2.82), scenario, truth, maps, frame_id)
    globe = _axes(figure, 4.24, 0.48, 2.82, 2.82)
    globe.set(title="Satellites, ground tracks and views", xlabel="east of the scene's centre [km]")
    maps.draw_globe(globe, frame_id)
    _list_movers(_axes(figure, 7.4, 0.1, 4.05, 3.23), scenario, truth, frame_id)


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    across, up = _SIZE_IN
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _list_movers(axes: Axes, scenario: Scenario, truth: Truth, frame_id: int) -> None:
    """List the movers with their speed and what each radar sees of it along its line of sight."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_title("Movers, range rates in m/s")
    shown = scenario.indices("radar")[:3]
    heads = ["height km", "m/s", *(f"sat. {scenario.satellite[index].id}" for index in shown)]
    places = np.linspace(0.5, 1.0, len(heads))
    for x, head in zip(places, heads, strict=True):
        axes.text(x, 0.97, head, ha="right", va="center", color="#505050", fontsize=8)
    looks: list[NDArray[Any]] = [RadarRenderer(scenario, index).looks.rows(frame_id) for index in shown]
    for mover, config in enumerate(scenario.mover):
        y = 0.97 - 0.1 * (mover + 1)
        position, velocity = truth.mover_state(mover, scenario.frame_time_ns(frame_id))
        height_km = 1e-3 * max(float(ecef_to_geodetic(position)[2]), 0.0)
        rates = [f"{look[mover]['range_rate_m_s']:.0f}" if look[mover]["inside"] else "-" for look in looks]
        axes.text(0.0, y, config.name, va="center", fontsize=8, color=mover_colour(mover), weight="bold")
        for x, cell in zip(places, [f"{height_km:.1f}", f"{np.linalg.norm(velocity):.0f}", *rates], strict=True):
            axes.text(x, y, cell, ha="right", va="center", fontsize=8)

"""Maps of a scenario: the scene from above with what is over it, and the part of the globe that the satellites cross.

Both are centred on the scene, north up, in km: the scene in the tangent plane of its centre, the globe as an
orthographic view. Night is shaded where the sun stands below the horizon.
"""

from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.geo.sun import sun_direction
from lookdown.hil.figures import satellite_colour
from lookdown.hil.plan import Scenario
from lookdown.hil.radar.look import Looks
from lookdown.hil.scene.local import Scene
from lookdown.hil.truth import Truth

Float = NDArray[np.float64]

_EARTH_KM = 6371.0
_MAP_TEXELS = 480
_EDGE_STEPS = 16  # points on each side of a view's outline: near the horizon it bends
_TRACK_S = 420.0  # ground track that is drawn before and after the scenario
_TRACK_STEPS = 61
_GRATICULE_DEG = 5
_NIGHT_GRID = 160

HALO = withStroke(linewidth=2.6, foreground="black", alpha=0.65)
"""Makes light lines and letters stand out from a bright scene."""


class Maps:
    """Draws the maps of one scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    scene : Scene
        Its scene.
    truth : Truth
        Its truth.
    """

    def __init__(self, scenario: Scenario, scene: Scene, truth: Truth) -> None:
        self._scenario, self._scene, self._truth = scenario, scene, truth
        lat, lon = np.radians(scenario.scene.lat_deg), np.radians(scenario.scene.lon_deg)
        self._centre_m, self._axes = geodetic_to_ecef(lat, lon, 0.0), enu_axes(lat, lon)

    def plan_km(self, position_m: ArrayLike) -> Float:
        """East and north of the scene's centre, shape (..., 2) [km]."""
        return np.asarray((np.asarray(position_m) - self._centre_m) @ self._axes[:2].T / 1e3, np.float64)

    def draw_scene(self, axes: Axes) -> None:
        """Draw the radiance of ground and cloud as seen from straight above."""
        radiance = self._scene.radiance_map()
        size = min(_MAP_TEXELS, self._scene.size)
        small = cv2.resize(radiance, (size, size), interpolation=cv2.INTER_AREA)
        half_km = 0.5e-3 * self._scenario.scene.extent_m
        low, high = np.percentile(small, [1, 99])
        extent = (-half_km, half_km, -half_km, half_km)
        axes.imshow(small, cmap="gray", extent=extent, vmin=low - 0.3 * (high - low), vmax=high, interpolation="none")

    def draw_footprints(self, axes: Axes, frames: tuple[tuple[int, float], ...]) -> None:
        """Outline what each satellite's frames cover on the ground; ``frames`` are pairs of number and opacity."""
        for index in range(len(self._scenario.satellite)):
            for frame, alpha in frames:
                outline = self.plan_km(self._outline_m(index, frame))
                axes.plot(*outline.T, color=satellite_colour(index), lw=1.2, alpha=alpha)

    def draw_globe(self, axes: Axes, frame_id: int) -> None:
        """Draw ground tracks, the satellites' places at a frame, their lines of sight and views, and night."""
        scenario = self._scenario
        time_ns = int(scenario.frame_time_ns(frame_id))
        steps = np.linspace(-_TRACK_S, _TRACK_S + scenario.duration_s, _TRACK_STEPS)
        reach_km = 1.0
        for index, satellite in enumerate(scenario.satellite):
            colour = satellite_colour(index)
            position, _ = scenario.orbit(index).state(scenario.start_ns + np.rint(1e9 * steps).astype(np.int64))
            track = self._globe_km(position)
            axes.plot(*track.T, color=colour, lw=1.3)
            here = self._globe_km(self._truth.sensor(index, frame_id)[0])
            ahead = self._globe_km(scenario.orbit(index).state(time_ns + round(4e10))[0])
            look: Any = {"arrowstyle": "-|>", "color": colour, "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (ahead[0], ahead[1]), (here[0], here[1]), arrowprops=look)
            axes.plot(*here, "o", color=colour, ms=6)
            name_at = (here[0], here[1])
            axes.annotate(f"{satellite.id}", name_at, (5, 4), textcoords="offset points", fontsize=9, color=colour)
            outline = self._globe_km(self._outline_m(index, frame_id))
            seen = outline[np.isfinite(outline).all(axis=-1)]
            if len(seen):
                axes.plot(*np.stack([here, seen.mean(axis=0)]).T, color=colour, lw=0.8, ls=(0, (2, 2)))
                axes.fill(*seen.T, color=colour, alpha=0.5, lw=0)
            reach_km = max(reach_km, float(np.abs(here).max()))
        half_km = min(1.25 * reach_km + 100.0, 1.05 * _EARTH_KM)
        self._draw_graticule(axes)
        self._shade_night(axes, time_ns, half_km)
        axes.set(xlim=(-half_km, half_km), ylim=(-half_km, half_km), aspect="equal")

    def _outline_m(self, index: int, frame: int) -> Float:
        """Outline of a view on the ground, shape (n, 3) [m]; nan where it misses the Earth."""
        if self._scenario.satellite[index].sensor == "radar":
            return Looks(self._truth, index).outline_m(frame)
        camera = self._scenario.sensor.camera
        along = np.arange(_EDGE_STEPS) / _EDGE_STEPS
        zero = np.zeros(_EDGE_STEPS)
        row = np.concatenate([zero, along, zero + 1.0, 1.0 - along, [0.0]]) * (camera.rows - 1)
        col = np.concatenate([along, zero + 1.0, 1.0 - along, zero, [0.0]]) * (camera.cols - 1)
        position, _, attitude = self._truth.sensor(index, frame)
        sights = camera.sight_ecef(*camera.tangent_from_pixel(row, col), attitude)
        return intersect_ellipsoid(position, sights, 0.0)

    def _globe_km(self, position_m: ArrayLike) -> Float:
        """Points below positions on the orthographic globe, shape (..., 2) [km]; nan on its far side."""
        position = np.asarray(position_m, np.float64)
        place = position / np.linalg.norm(position, axis=-1, keepdims=True) @ self._axes.T
        return np.where(place[..., 2:] > 0.0, _EARTH_KM * place[..., :2], np.nan)

    def _draw_graticule(self, axes: Axes) -> None:
        look: Any = {"color": "#b4b4b4", "lw": 0.6, "zorder": 0}
        lat, lon = np.radians(np.arange(-90, 91, 1)), np.radians(np.arange(0, 361, 1))
        for degrees in range(-180, 180, _GRATICULE_DEG):
            axes.plot(*self._globe_km(geodetic_to_ecef(lat, np.radians(degrees), 0.0)).T, **look)
            if -90 < degrees < 90:
                axes.plot(*self._globe_km(geodetic_to_ecef(np.radians(degrees), lon, 0.0)).T, **look)
        limb = np.linspace(0.0, 2.0 * np.pi, 361)
        axes.plot(_EARTH_KM * np.cos(limb), _EARTH_KM * np.sin(limb), color="#808080", lw=0.9, zorder=0)

    def _shade_night(self, axes: Axes, time_ns: int, half_km: float) -> None:
        place = np.linspace(-half_km, half_km, _NIGHT_GRID) / _EARTH_KM
        east, north = np.meshgrid(place, place)
        up = np.sqrt(np.maximum(1.0 - east**2 - north**2, 0.0))
        height = np.stack([east, north, up], axis=-1) @ (self._axes @ sun_direction(time_ns))
        night = np.where((up > 0.0) & (height < 0.0), 1.0, np.nan)
        extent = (-half_km, half_km, -half_km, half_km)
        axes.imshow(night, cmap="gray_r", vmin=0.0, vmax=6.0, extent=extent, origin="lower", zorder=-1)

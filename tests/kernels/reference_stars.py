"""What is a star, in plain NumPy: the oracle of `lookdown.kernels.stars`."""

import numpy as np

from lookdown.geo.camera import Camera
from lookdown.geo.rotation import conjugate, rotate
from lookdown.geo.sight import intersect_ellipsoid


def turned(vectors, angle_rad):
    """Turn vectors about the pole."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return vectors @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def directions(plots, camera: Camera, position_m, attitude, earth_angle_rad):
    """Inertial directions of plots; NaN where the line of sight meets the Earth."""
    x, y = camera.tangent_from_pixel(plots["row"], plots["col"])
    sights = rotate(attitude, np.stack([x, y, np.ones_like(x)], -1))
    found = turned(sights / np.linalg.norm(sights, axis=-1, keepdims=True), earth_angle_rad)
    found[np.isfinite(intersect_ellipsoid(position_m, sights)).all(-1)] = np.nan
    return found


class Places:
    """Places where plots were seen, each with the frames and times of its first sight and its last."""

    def __init__(self):
        self.known = []

    def stars(self, directions, time_ns, frame, reach, least_seen, least_frames, least_ns, patience, most_seen):
        """Which directions are stars; learns from all."""
        out = np.zeros(len(directions), bool)
        for k, u in enumerate(directions):
            if not np.isfinite(u).all():
                continue
            apart = [np.sum((place["u"] - u) ** 2) for place in self.known]
            if not apart or min(apart) > reach**2:
                place = {"u": u, "first_ns": time_ns, "first": frame, "last": frame, "seen": 1}
                self.known.append(place)
                continue
            # Of two as near the later one, as the kernel has it.
            place = self.known[len(apart) - 1 - int(np.argmin(apart[::-1]))]
            if frame - place["last"] > patience * min(place["seen"], most_seen):
                place.update(u=u, first_ns=time_ns, first=frame, last=frame - 1, seen=0)
            if place["last"] != frame:
                place["seen"] += 1
                place["last"] = frame
            if (
                place["seen"] >= least_seen
                and frame - place["first"] >= least_frames
                and time_ns - place["first_ns"] >= least_ns
            ):
                moved = place["u"] + 0.05 * (u - place["u"])
                place["u"] = moved / np.linalg.norm(moved)
                out[k] = True
        return out


def peak(snr, camera: Camera, attitude, angle_rad, direction, reach_px, sign):
    """Largest peak of a polarity within reach of where a frame showed a direction; 0 without one."""
    sight = rotate(conjugate(attitude), turned(direction, -angle_rad))
    if sight[2] <= 0:
        return 0.0
    row, col = (float(v) for v in camera.pixel_from_tangent(sight[0] / sight[2], sight[1] / sight[2]))
    rows, cols = snr.shape
    if not (0 <= row <= rows - 1 and 0 <= col <= cols - 1):
        return 0.0
    most, signed = 0.0, sign * snr.astype(np.float64)
    for i in range(max(round(row) - 2, 1), min(round(row) + 3, rows - 1)):
        for j in range(max(round(col) - 2, 1), min(round(col) + 3, cols - 1)):
            about = signed[i - 1 : i + 2, j - 1 : j + 2]
            if signed[i, j] < about.max() or signed[i, j] <= most:
                continue
            offsets = [
                0.5 * (a - c) / (a + c - 2 * b) if a + c - 2 * b < 0 else 0.0 for a, b, c in (about[:, 1], about[1])
            ]
            if np.hypot(i + offsets[0] - row, j + offsets[1] - col) <= reach_px:
                most = signed[i, j]
    return most

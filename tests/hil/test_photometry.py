"""Light of movers: what the table of signatures says of each is what its truth carries."""

from collections.abc import Callable

import numpy as np
import pytest

from lookdown.hil.plan import Scenario
from lookdown.hil.truth import Truth


def test_each_mover_has_the_intensity_of_its_own_signature(small_plan: Callable[..., Scenario]) -> None:
    start = {"lat_deg": 42.98, "lon_deg": -9.5, "height_m": 9000.0, "heading_deg": 40.0, "speed_m_s": 300.0}
    kinds = ("fighter", "airliner", "hypersonic_glider", "cruise_missile")
    movers = [{"name": kind, "kind": kind, "start": start, "signature_scale": 2.0} for kind in kinds]
    movers.append({"name": "lamp", "kind": "airliner", "start": start, "intensity_w_sr": 7.0})
    frames = np.array([0, 20, 39])
    together = Truth(small_plan(mover=movers)).appearances(0, frames)
    assert together["intensity_w_sr"].shape == (3, 5)
    assert np.all(together["intensity_w_sr"][:, 4] == 7.0)
    for index, mover in enumerate(movers[:4]):
        alone = Truth(small_plan(mover=[{**mover, "signature_scale": 1.0}])).appearances(0, frames)
        np.testing.assert_allclose(together["intensity_w_sr"][:, index], 2.0 * alone["intensity_w_sr"][:, 0], rtol=1e-6)
    values = together["intensity_w_sr"][0, :4]
    assert len(set(values)) == 4
    assert Truth(small_plan(mover=movers)).appearances(0, 20)["intensity_w_sr"] == pytest.approx(
        together["intensity_w_sr"][1], rel=1e-6
    )

"""Our GOSPA against Stone Soup's."""

import numpy as np
import pytest
from stonesoup.metricgenerator.ospametric import GOSPAMetric
from stonesoup.types.state import State

from lookdown.hil.score_tracks import gospa


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 5), (7, 3), (2, 9), (4, 0), (0, 3)])
@pytest.mark.parametrize("cutoff_m", [20.0, 100.0])
def test_gospa_is_that_of_stone_soup(n, m, cutoff_m):
    rng = np.random.default_rng(n + 10 * m)
    truth, estimate = rng.uniform(0, 60, (n, 3)), rng.uniform(0, 60, (m, 3))
    generator = GOSPAMetric(p=2, c=cutoff_m)
    states = [[State(place[:, None]) for place in places] for places in (estimate, truth)]
    metric, _ = generator.compute_gospa_metric(*states)
    assert gospa(truth, estimate, cutoff_m)[0] == pytest.approx(metric.value["distance"], rel=1e-9)

"""The chain tells movers apart that have merged."""

import numpy as np

from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.kernels.extract import MERGED
from tests.bench.scenes import textured
from tests.kernels.points import spots

SIGMA_PX = 1.0
NOISE_DN = 4.0


def test_two_movers_side_by_side_are_two_plots_flagged_merged() -> None:
    rng = np.random.default_rng(4)
    chain = Chain(ChainParameters(psf_sigma_px=float(np.hypot(SIGMA_PX, 12**-0.5))), 96, 128)
    ground = textured(96, 128, 5, spread=60)  # a flat scene would be registered on the movers
    told = []
    for k in range(40):
        row, col = 30 + 0.9 * k, 25 + 1.7 * k
        frame = ground + NOISE_DN * rng.standard_normal((96, 128))
        # SNR 30 and 25 after the matched filter, 2.83 px apart
        p = spots(np.array([row, row + 2]), np.array([col, col - 2]), SIGMA_PX, 128)[:, :96]
        light = NOISE_DN * np.array([30, 25]) * 2 * np.sqrt(np.pi) * SIGMA_PX
        frame += (light[:, None, None] * p).sum(0)
        plots = chain.step(np.rint(frame).astype(np.uint16)).plots
        if k < 20:
            continue
        pair = plots[(plots["flags"] & MERGED) > 0]
        apart = np.hypot(pair["row"][:, None] - [row, row + 2], pair["col"][:, None] - [col, col - 2])
        told.append(len(pair) == 2 and bool((apart.min(0) < 0.5).all()))
    assert np.mean(told) >= 0.9

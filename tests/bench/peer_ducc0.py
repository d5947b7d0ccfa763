"""The Doppler stage by ducc0, whose package is GPL: for a process of its own alone (`apart.py`)."""

import ducc0
import numpy as np

from tests.bench.measure import Run
from tests.bench.peers_radar import doppler_by


def doppler_ducc0(cpi: np.ndarray, window: np.ndarray) -> Run:
    return doppler_by(lambda work: ducc0.fft.c2c(work, axes=(1,), out=work, nthreads=1), cpi, window)

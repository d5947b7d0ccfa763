"""The fit of one plot, written plainly: no tables, no batch, derivatives as projections of whole vectors.

Snapshots are vectors over (channel, sum, cell); their covariance is the Kronecker product of that of the sums with that
of noise along range. The twin of `lookdown.flight.radar.fit`.
"""

import numpy as np

from lookdown.flight.compression import PulseCompressor
from lookdown.flight.radar.fit import FIT_CELLS, GUARD_CELLS, LOADING, STEPS, TAPER_GAIN, TRAINING_FACTOR
from lookdown.flight.radar.likelihood import DIRECTIONS
from lookdown.flight.radar.taper import pulse_weights


def training(train: np.ndarray, peak: int, wanted: int) -> np.ndarray:
    allowed = [c for c in range(train.size) if train[c] and GUARD_CELLS < abs(c - peak) <= wanted + GUARD_CELLS]
    return np.sort(np.array(sorted(allowed, key=lambda c: abs(c - peak))[:wanted], int))


def fit_one(
    compressor: PulseCompressor,
    places_m: np.ndarray,
    wavelength_m: float,
    side_lobes_db: float,
    seen: np.ndarray,
    tau: float,
    doppler: float,
    u: float,
    train: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float, bool]:
    """Return place, covariance, SNR [dB] and whether the interference was learnt."""
    channels, pulses, ranges = seen.shape
    size = 2 * channels
    n = np.arange(pulses) - (pulses - 1) / 2
    k = 2 * np.pi / wavelength_m * (places_m - places_m.mean())
    beam = wavelength_m / (np.ptp(places_m) * channels / (channels - 1)) if channels > 1 else 0.0
    n_cells = min(FIT_CELLS, ranges)
    first = min(max(round(tau) - n_cells // 2, 0), ranges - n_cells)
    at = first + np.arange(n_cells)
    noise = compressor.noise_correlation(n_cells)
    along = np.linalg.inv(np.linalg.cholesky(noise))
    cells = training(train, round(tau), TRAINING_FACTOR * size)
    trained = cells.size >= 2 * size
    independent = max(cells.size / (2 * (np.abs(noise[0]) ** 2).sum() - 1), size)
    loss = (independent + 1) / (independent + 2 - size) if trained else 1.0
    free = 3 if channels > 1 else 2
    most = np.array([0.5, 0.25 / pulses, 0.25 * beam])[:free]

    def project(sums: np.ndarray, of: np.ndarray, frequency: float) -> np.ndarray:
        turned = sums * np.exp(-2j * np.pi * frequency * n)
        return np.einsum("sp,cpr->csr", turned, seen[:, :, of].astype(np.complex128)).reshape(size, -1)

    def look(
        sums: np.ndarray, whiten: np.ndarray, y: np.ndarray, tau: float, shift: float, u: float
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Step, covariance and power of Gauss-Newton at a place, from the model and its derivatives as vectors."""
        turn, array = np.exp(2j * np.pi * shift * n), np.exp(1j * k * u)
        g, slope = along @ compressor.echo(at - tau), along @ -compressor.echo_slope(at - tau)
        s = whiten @ np.kron(array, sums @ turn)
        s_f = whiten @ np.kron(array, sums @ (2j * np.pi * n * turn))
        s_u = whiten @ np.kron(1j * k * array, sums @ turn)
        model = np.kron(s, g)
        ways = [np.kron(s, slope), np.kron(s_f, g), np.kron(s_u, g)][:free]
        data = (whiten @ y @ along.T).reshape(-1)
        energy = np.vdot(model, model).real
        a = np.vdot(model, data) / energy
        jacobian = np.stack([a * (way - np.vdot(model, way) / energy * model) for way in ways], axis=1)
        fisher = 2 * (jacobian.conj().T @ jacobian).real
        # Range goes apart from the others: through real parts alone they would mix by the slope's phase.
        fisher[0, 1:] = fisher[1:, 0] = 0
        variance = np.linalg.inv(fisher)
        pull = 2 * (jacobian.conj().T @ data).real
        return np.clip(variance @ pull, -most, most), variance, float(abs(a) ** 2 * energy)

    best = None
    tapers = [np.full(pulses, pulses**-0.5)]
    if side_lobes_db and pulses > 2:
        tapers.append(pulse_weights(pulses, side_lobes_db))
    for taper in tapers:
        sums = np.stack([taper, taper * n / max(np.sqrt(np.mean(n**2)), 1.0)])
        around = project(sums, cells, doppler)
        if trained:
            covariance = around @ around.conj().T / cells.size
            covariance += LOADING * np.trace(covariance).real / size * np.eye(size)
        else:
            gram = sums @ sums.T
            power = (np.abs(around[::2]) ** 2).mean() / gram[0, 0] if cells.size else 1.0
            covariance = max(power, 1e-30) * np.kron(np.eye(channels), gram)
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        y = project(sums, at, doppler)
        begin = u
        if channels > 1:
            z, g = whiten @ y @ along.T, along @ compressor.echo(at - tau)
            tried = u + beam * np.linspace(-0.5, 0.5, DIRECTIONS)
            ways = [whiten @ np.kron(np.exp(1j * k * v), sums.sum(axis=1)) for v in tried]
            begin = tried[np.argmax([abs(np.vdot(s, z @ g.conj())) ** 2 / np.vdot(s, s).real for s in ways])]
        step, variance, _ = look(sums, whiten, y, tau, 0.0, begin)
        if best is None or variance[1, 1] < TAPER_GAIN * best[0]:
            best = variance[1, 1], sums, whiten, np.array([tau, 0.0, begin]), step
    assert best is not None
    _, sums, whiten, place, step = best
    place[:free] += step
    doppler, place[1] = doppler + place[1], 0.0
    y = project(sums, at, doppler)
    for _ in range(STEPS):
        step, variance, _ = look(sums, whiten, y, *place)
        place[:free] += step
    _, variance, power = look(sums, whiten, y, *place)
    place[1] += doppler
    return place, variance * loss, 10 * np.log10(power), trained

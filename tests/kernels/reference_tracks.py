"""Plain NumPy twins of the kernels on tracks."""

from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment


def advance(dt, density, fade, circle, state, covariance, cross):
    """Twin of `kernels.advance.advance`, returning what it would leave."""
    position, velocity = state[:, :3], state[:, 3:]
    turn = np.cross(position, velocity) / np.sum(position**2, axis=1, keepdims=True) * circle
    bend = np.cross(turn, velocity)
    flow = np.kron([[1.0, dt], [0.0, 1.0]], np.eye(3))
    noise = np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], np.eye(3)) * density
    moved = np.concatenate([position + dt * velocity + dt * dt / 2 * bend, velocity + dt * bend], axis=1)
    return moved, flow @ covariance @ flow.T + noise, fade * (flow @ cross)


def correct(jacobian, own, shared, given, innovation, spread, state, covariance, cross):
    """Twin of `kernels.correct.correct` for all rows, by solving and with full matrices."""
    d = jacobian.shape[1]
    weighted = covariance @ jacobian.transpose(0, 2, 1)
    seen = jacobian @ cross
    if own >= 0:
        if not given:
            weighted = weighted + shared[:, None, None] * cross[:, :, own : own + d]
        seen[:, :, own : own + d] += shared[:, None, None] * np.eye(d)
    gain = weighted @ np.linalg.inv(spread)
    return (
        state + np.einsum("nij,nj->ni", gain, innovation),
        covariance - gain @ spread @ gain.transpose(0, 2, 1),
        cross - gain @ seen,
    )


def gate_plots(places, spreads, use, plots, noises, gate, base):
    """Twin of `kernels.gate.gate_plots`: the dense table of ratios, -inf outside of gates."""
    away = plots[None] - places[:, None]
    total = spreads[:, None] + noises[None]
    distance2 = np.einsum("nki,nkij,nkj->nk", away, np.linalg.inv(total), away)
    ratio = base - 0.5 * distance2 - 0.5 * np.linalg.slogdet(2.0 * np.pi * total)[1]
    return np.where((distance2 < gate) & (use[:, None] == 1), ratio, -np.inf)


def most_gained(table):
    """Greatest sum of gains of one-to-one pairs of a dense table, pairs of no gain left out."""
    gain = np.maximum(table, 0.0)
    return gain[linear_sum_assignment(gain, maximize=True)].sum()


def weigh_pairs(table):
    """What `kernels.marginal.weigh_pairs` comes near to: the sum over all joint shares of a dense table of gains."""
    n, k = table.shape
    weight, total = np.zeros((n, k)), 0.0
    for share in product(range(-1, k), repeat=n):
        owned = [plot for plot in share if plot >= 0]
        if len(set(owned)) < len(owned):
            continue
        chance = np.exp(sum(table[i, plot] for i, plot in enumerate(share) if plot >= 0))
        total += chance
        for i, plot in enumerate(share):
            if plot >= 0:
                weight[i, plot] += chance
    return weight / total


def match_moments(weight, states, covariances):
    """Twin of `kernels.moments.match_moments` for one mixture."""
    mean = weight @ states
    away = states - mean
    return mean, np.einsum("j,jab->ab", weight, covariances) + np.einsum("j,ja,jb->ab", weight, away, away)


def unscented(function, state, covariance, scaling):
    """Mean, covariance and cross covariance with the state of a function of one state, by the scaled transform."""
    alpha, beta, kappa = scaling
    n = len(state)
    scale = alpha**2 * (n + kappa)
    root = np.linalg.cholesky(covariance) * np.sqrt(scale)
    points = np.concatenate([state[None], state + root.T, state - root.T])
    means = np.full(2 * n + 1, 0.5 / scale)
    means[0] = 1.0 - n / scale
    spreads = means.copy()
    spreads[0] += 1.0 - alpha**2 + beta
    images = np.array([function(point) for point in points])
    mean = images[0] + means[1:] @ (images[1:] - images[0])
    away = images - mean
    return mean, (away.T * spreads) @ away, ((points - state).T * spreads) @ away


def foresee(state, origin, axes, half_axes, speed):
    """Twin of `kernels.foresee.foresee`: tangents, Jacobian, distance, visibility."""
    offset = state[:, :3] - origin
    distance = np.linalg.norm(offset, axis=1)
    tau = distance / speed
    offset = offset - tau[:, None] * state[:, 3:]
    seen = offset @ axes
    depth = np.where(seen[:, 2] > 1.0, seen[:, 2], 1.0)
    tangent = seen[:, :2] / depth[:, None]
    by_place = (axes.T[None, :2] - tangent[:, :, None] * axes[:, 2]) / depth[:, None, None]
    start, step = origin / half_axes, offset / half_axes
    along = np.clip(-(step @ start) / np.maximum(np.sum(step**2, axis=1), 1e-30), 0.0, 1.0)
    hidden = np.sum((start + along[:, None] * step) ** 2, axis=1) < 1.0
    jacobian = np.concatenate([by_place, -tau[:, None, None] * by_place], axis=2)
    return tangent, jacobian, distance, (seen[:, 2] > 1.0) & ~hidden


def spread_about(jacobian, covariance, cross, own, shared):
    """Twin of `kernels.foresee.spread_about`."""
    mixed = shared[:, None, None] * (jacobian @ cross[:, :, own : own + 2])
    plain = jacobian @ covariance @ jacobian.transpose(0, 2, 1)
    return plain + mixed + mixed.transpose(0, 2, 1) + (shared**2)[:, None, None] * np.eye(2)

"""Plain NumPy twins of the kernels on tracks."""

from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment

from lookdown.kernels.foresee import heights_over
from lookdown.kernels.sift import IN_AIR, IN_SPACE, NO_COVARIANCE, NOT_FINITE


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


def spread_about(jacobian, covariance, cross, own, shared, common):
    """Twin of `kernels.foresee.spread_about`."""
    mixed = shared[:, None, None] * (jacobian @ cross[:, :, own : own + 2])
    plain = jacobian @ covariance @ jacobian.transpose(0, 2, 1)
    return plain + mixed + mixed.transpose(0, 2, 1) + (shared**2)[:, None, None] * common


def learn(rows, sure, jacobian, own, shared, innovation, noise, covariance, cross):
    """Twin of `kernels.learn.learn`: spread, information and pull."""
    spread = jacobian @ covariance[rows] @ jacobian.transpose(0, 2, 1) + noise
    sensitivity = jacobian @ cross[rows]
    sensitivity[:, [0, 1], [own, own + 1]] += shared[:, None]
    use = np.flatnonzero(sure)
    weighted = np.linalg.solve(spread[use], sensitivity[use])
    information = np.einsum("qia,qib->ab", sensitivity[use], weighted)
    return spread, information, np.einsum("qia,qi->a", weighted, innovation[use])


def decide_lives(
    time, state, covariance, score, born, looks, last_hit, hits, moved, plot_of, worth, patience, whole, bounds,
    semi_major, flattening, status, single
):  # fmt: skip
    """Twin of `kernels.lives.decide_lives`: status, single, numbers, verdict; heights by `heights_over`."""
    confirm_after, coast_after, drop_after, confirm_hits, confirm_looks, per_sensor, enough = whole.tolist()
    confirm, drop, least_speed, most_speed, significance, most_sigma, least_m, most_m, sigmas = bounds.tolist()
    velocity = state[:, 3:]
    speed = np.linalg.norm(velocity, axis=1)
    along = velocity / np.maximum(speed, 1e-9)[:, None]
    variance = np.einsum("ni,nij,nj->n", along, covariance[:, 3:, 3:], along)
    sigma, height = np.sqrt(np.maximum(variance, 0.0)), np.empty(len(state))
    heights_over(np.ascontiguousarray(state[:, :3]), semi_major, flattening, height)
    place = np.trace(covariance[:, :3, :3], axis1=1, axis2=2)
    newest, often = last_hit.max(axis=1), hits >= per_sensor
    recent, seen, seen_to_move = (last_hit >= time - patience) @ worth, often @ worth, (often & (moved > 0)) @ worth

    mature = (score >= confirm) & (time - born >= confirm_after)
    mature &= np.bitwise_count(looks & np.uint32((1 << confirm_looks) - 1)) >= confirm_hits
    ready = mature & (status == 0) & (plot_of >= 0) & (seen_to_move >= enough)
    ready &= (speed > least_speed) & (speed < most_speed) & (speed > significance * sigma)
    ready &= (np.sqrt(place) < most_sigma) & (height > least_m) & (height < most_m)
    new = status.copy()
    for plot in np.unique(plot_of[ready]):
        rows = np.flatnonzero(ready & (plot_of == plot))
        new[rows[np.argmax(score[rows])]] = 1
    live = new > 0
    new[live] = np.where(newest < time - coast_after, 2, 1)[live]

    ends = (score < drop) | (newest < time - drop_after) | (~live & (recent < np.where(single > 0, 1, enough)))
    ends |= live & (speed + sigmas * sigma < least_speed)
    ends |= speed - sigmas * sigma > most_speed
    margin = sigmas * np.sqrt(place)
    ends |= (height + margin < least_m) | (height - margin > most_m)
    believed = mature & (single == 1) & (moved > 0).any(axis=1) & ~ends
    single = np.where(believed, 2, single).astype(np.uint8)
    shown, turned = live | (seen >= enough) | (single == 2), new != status
    told = shown & ((plot_of >= 0) | turned | ends | believed)
    bits = [shown, turned, ends, believed, told, single > 0, ready]
    verdict = np.sum([flag.astype(np.uint8) << bit for bit, flag in enumerate(bits)], axis=0, dtype=np.uint8)
    return new, single, np.stack([speed, sigma, place, height], axis=1), verdict


def find_close(state, variance, status, hits, least_hits, reach, merge2):
    """Twin of `kernels.close.find_close`: all pairs, in order."""
    use = np.flatnonzero((status > 0) | (hits >= least_hits))
    one, other = use[np.array(np.triu_indices(len(use), 1))]
    square = np.sum((state[one, :3] - state[other, :3]) ** 2, axis=1)
    near = square < reach * (variance[one] + variance[other])
    near &= (square < merge2) | (status[one] == 0) | (status[other] == 0)
    return np.stack([one[near], other[near]], axis=1)


def sift_sights(words, axes, start, half_axes):
    """Twin of `kernels.sift.sift_sights`."""
    x, y, sigma_x, sigma_y, _, _, correlation, _ = words.T.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        spoilt = ~((sigma_x > 0.0) & (sigma_y > 0.0) & (np.abs(correlation) < 1.0))
        spoilt |= np.isinf(sigma_x) | np.isinf(sigma_y)
        wild = ~np.isfinite(words[:, :6]).all(axis=1) | ~((np.abs(x) < 10.0) & (np.abs(y) < 10.0))
        x, y = np.where(wild, 0.0, x), np.where(wild, 0.0, y)
        step = (np.stack([x, y, np.ones_like(x)], axis=1) @ axes.T) / half_axes
        along = -(step @ start) / np.sum(step**2, axis=1)
        meets = (along > 0.0) & (np.sum((start + along[:, None] * step) ** 2, axis=1) <= 1.0)
    verdict = np.where(meets, IN_AIR, IN_SPACE)
    return np.where(spoilt, NO_COVARIANCE, np.where(wild, NOT_FINITE, verdict)).astype(np.uint8)


def tally_looks(
    plot_of, ratio, missed, live, log_missed, most, sensor, time, hits, misses, looks, score, sensor_hits, last_hit
):
    """Twin of `kernels.tally.tally_looks`: what is changed, as new arrays."""
    hit = plot_of >= 0
    missed = (missed > 0) & ~hit
    sensor_hits, last_hit = sensor_hits.copy(), last_hit.copy()
    sensor_hits[hit, sensor] += 1
    last_hit[hit, sensor] = time
    looks = np.where(hit | missed, (looks << np.uint32(1)) | hit.astype(np.uint32), looks)
    score = score + np.where(hit, ratio, 0.0) + np.where(missed, log_missed, 0.0)
    score = np.where(live > 0, np.minimum(score, most), score)
    return hits + hit, misses + missed, looks, score, sensor_hits, last_hit


def turning(position, velocity, covariance, origin, own_velocity, rotation, inflation, floor):
    """Twin of `kernels.turning.turning`: the rate by a cross product, its sigma, and the squared distance."""
    spin = np.array([0.0, 0.0, rotation])
    sight = position - origin
    inertial = velocity + np.cross(spin, position) - own_velocity - np.cross(spin, origin)
    square = np.sum(sight**2, axis=1)
    variance = np.trace(covariance[:, 3:, 3:], axis1=1, axis2=2)
    rate = np.linalg.norm(np.cross(sight, inertial), axis=1) / square
    return rate, np.sqrt(inflation**2 * variance / square + floor**2), square


def distance_to_segments(origin, directions, start, end):
    """Least distance between lines of sight from ``origin`` and segments, row by row."""
    # Seen along the line, the line is a point and the segment a shorter segment.
    first, second = start - origin, end - origin
    first = first - np.sum(first * directions, axis=1)[:, None] * directions
    second = second - np.sum(second * directions, axis=1)[:, None] * directions
    step = second - first
    length2 = np.maximum(np.sum(step * step, axis=1), 1e-12)
    share = np.clip(-np.sum(first * step, axis=1) / length2, 0.0, 1.0)
    return np.linalg.norm(first + share[:, None] * step, axis=1)


def rule_out_standing(
    rows, plots, sensor, origin, direction, variance, anchor, pointing, position, least, sigmas, moved
):  # fmt: skip
    """Twin of `kernels.standing.rule_out_standing`: distances (nan where none is written), moved, rows without."""
    start, end = np.moveaxis(anchor[rows, sensor], 1, 0)
    new, old = np.isnan(start[:, 0]), moved[rows, sensor] > 0
    away = np.where(new | old, np.nan, distance_to_segments(origin, direction[plots], start, end))
    across = np.sqrt(variance[plots].max(axis=1) + pointing**2)
    noise = np.hypot(np.linalg.norm(start - origin, axis=1) * across, position)
    moved = moved.copy()
    moved[rows, sensor] |= away > least + sigmas * noise
    return away, moved, np.count_nonzero(new & ~old)

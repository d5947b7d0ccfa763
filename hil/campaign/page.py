"""Page of a campaign, ``roc.html``: it holds its pictures in itself and opens offline."""

import html
from importlib.metadata import version
from importlib.resources import files
from string import Template

import numpy as np

from lookdown.hil.campaign.draw import PICTURES, draw_svg
from lookdown.hil.campaign.results import Roc
from lookdown.hil.campaign.statistics import CONFIDENCE
from lookdown.hil.campaign.targets import MARGIN_PX, NEAR_PX, TRAIL_PX, WHITE_PACE_PX
from lookdown.hil.campaign.unit import HIT_PX, WHITE_LEVEL
from lookdown.hil.markup import DASH, Right, mono, number, page_style, table

_CARD_PFA = 1e-5

_SCENE_FRAMES = (
    "Frames: the scenario as its satellites see it, each unit with its own scene, noise and instant of the pass. The "
    "scenario's movers stay away; each target flies straight, at the speed and height of one of them, from a random "
    "place in a random direction, and no cloud hides it."
)
_WHITE_FRAMES = (
    f"Frames: an even background at {100 * WHITE_LEVEL:g} % of the full well with photon and read noise, without fixed "
    "pattern, bad pixels or motion; the chain is told no pointing. Targets cross it at "
    f"{WHITE_PACE_PX[0]:g} to {WHITE_PACE_PX[1]:g} px a frame."
)


def write_page(roc: Roc) -> str:
    """Write the page."""
    template = Template(files("lookdown.hil.campaign").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(roc.scenario.title if not roc.plan.white else "white noise"),
        style=page_style(),
        subtitle=html.escape(_subtitle(roc)),
        cards=_cards(roc),
        needed=_needed(roc),
        false=_false(roc),
        found=_found(roc),
        confidence=f"{100 * CONFIDENCE:g}",
        frames=_WHITE_FRAMES if roc.plan.white else _SCENE_FRAMES,
        targets=f"{roc.plan.targets}",
        warm_up=f"{roc.plan.warm_up}",
        hit_px=f"{HIT_PX:g}",
        near_px=f"{NEAR_PX:g}",
        trail_px=f"{TRAIL_PX:g}",
        margin_px=f"{MARGIN_PX:g}",
        settings=_settings(roc),
        **{name: draw_svg(roc, name) for name in PICTURES},
    )


def _subtitle(roc: Roc) -> str:
    scenario, plan, sensor = roc.scenario, roc.plan, roc.scenario.sensor
    seen = "even background, photon and read noise only" if plan.white else f"{len(scenario.satellite)} satellites"
    return (
        f"{scenario.name}: {seen}; {plan.seeds} units of {plan.frames} frames of {sensor.cols} x {sensor.rows} px, "
        f"seed {scenario.seed}"
    )


def _cards(roc: Roc) -> str:
    cards = []
    for needed in roc.needed:
        if needed.pfa == _CARD_PFA:
            loss = "not reached" if needed.loss_db is None else f"loss {needed.loss_db:.1f} dB"
            text = f"SNR for Pd {needed.pd:g} at Pfa 10<sup>&minus;5</sup>; theory {needed.theory:.2f}, {loss}"
            cards.append((number(needed.measured), text))
    chances = int(roc.sums("chances").sum())
    cards += [
        (f"{roc.frames}", f"frames counted, in {len(roc.units)} units"),
        (f"{chances}", "chances to find a target"),
        (number(float(sum(unit.pixels for unit in roc.units))), "pixels of open ground"),
    ]
    return "".join(f'<div class="card"><b>{value}</b><span>{text}</span></div>' for value, text in cards)


def _needed(roc: Roc) -> str:
    rows = [
        [
            Right(f"{n.pd:g}"),
            Right(number(n.pfa, 2)),
            Right(DASH if n.measured is None else f"{n.measured:.2f}"),
            Right(f"{n.theory:.2f}"),
            Right(DASH if n.loss_db is None else f"{n.loss_db:.2f}"),
        ]
        for n in roc.needed
    ]
    return table([Right(text) for text in ("Pd", "Pfa", "SNR, measured", "SNR, theory", "loss [dB]")], rows)


def _false(roc: Roc) -> str:
    false, echoes, chances = roc.sums("false"), roc.sums("echoes"), max(int(roc.sums("chances").sum()), 1)
    rows = [
        [
            Right(f"{threshold:g}"),
            Right(f"{false[t]}"),
            Right(number(float(roc.pfa.value[t]))),
            Right(f"{number(float(roc.pfa.low[t]))} to {number(float(roc.pfa.high[t]))}"),
            Right(number(float(roc.pfa.value[t] * roc.open_pixels))),
            Right(number(float(echoes[t] / chances))),
        ]
        for t, threshold in enumerate(roc.plan.thresholds)
    ]
    interval = f"{100 * CONFIDENCE:g} % interval"
    head = ("threshold", "false plots", "Pfa [1/(pixel frame)]", interval, "per frame", "echoes per target and frame")
    return table([Right(text) for text in head], rows)


def _found(roc: Roc) -> str:
    chances, rows = roc.sums("chances"), []
    for k, snr in enumerate(roc.plan.snr):
        cells = [Right(f"<b>{snr:g}</b>"), Right(f"{chances[k]}")]
        for value, low, high in zip(roc.pd.value[k], roc.pd.low[k], roc.pd.high[k], strict=True):
            known = np.isfinite(value)
            interval = f'<br><span class="soft">{100 * low:.1f}&ndash;{100 * high:.1f}</span>'
            cells.append(Right(f"{100 * value:.1f}{interval}" if known else DASH))
        rows.append(cells)
    head = ("SNR", "chances", *(f"{threshold:g}" for threshold in roc.plan.thresholds))
    return table([Right(text) for text in head], rows)


def _settings(roc: Roc) -> str:
    plan = roc.plan
    rows = {
        "scenario": f"{roc.scenario.name}, seed {roc.scenario.seed}",
        "--snr": ",".join(f"{snr:g}" for snr in plan.snr),
        "--thresholds": ",".join(f"{threshold:g}" for threshold in plan.thresholds),
        "--frames": str(plan.frames),
        "--warm-up": str(plan.warm_up),
        "--seeds": str(plan.seeds),
        "--targets": str(plan.targets),
        "--white": "yes" if plan.white else "no",
        "flight.chain": ", ".join(f"{key} = {value}" for key, value in roc.scenario.flight.get("chain", {}).items()),
        "version": version("lookdown"),
    }
    return table(("", ""), [[f"<b>{html.escape(key)}</b>", mono(value)] for key, value in rows.items()])

"""A campaign from its plan to its results: ``roc.json``, two pictures and a page."""

import os
from collections.abc import Callable
from pathlib import Path

from lookdown.hil.campaign.draw import PICTURES, draw_png
from lookdown.hil.campaign.page import write_page
from lookdown.hil.campaign.plan import RocPlan
from lookdown.hil.campaign.results import Roc, as_json, evaluate
from lookdown.hil.campaign.store import open_store, write_whole
from lookdown.hil.campaign.workers import carry_out
from lookdown.hil.scenario import load_scenario

Progress = Callable[[int, int, int], None]


def run_campaign(
    scenario_path: Path,
    out: Path,
    plan: RocPlan,
    jobs: int | None = None,
    restart: bool = False,
    progress: Progress | None = None,
) -> Roc:
    """Carry out a campaign, or go on with one, and write its results.

    Parameters
    ----------
    scenario_path : Path
        Scenario.
    out : Path
        Folder for counts and results.
    plan : RocPlan
        What to do.
    jobs : int or None
        Processes at a time; None for all cores.
    restart : bool
        Begin anew, whatever was counted.
    progress : callable or None
        Called with units done, frames done and frames in all; what was found done counts.

    Raises
    ------
    ConfigError, ValueError, OSError, WorkerError
        One line: what was wanted, what came, what to do.
    """
    jobs = jobs if jobs is not None else len(os.sched_getaffinity(0))
    if jobs < 1:
        raise ValueError(f"jobs: wanted 1 or more, got {jobs}; change --jobs")
    scenario = load_scenario(scenario_path)
    if not plan.white and plan.n_frames > scenario.n_frames:
        raise ValueError(
            f"frames: wanted with --warm-up no more than the scenario's {scenario.n_frames} frames, got "
            f"{plan.warm_up} + {plan.frames}; lower --frames or --warm-up"
        )
    with open_store(out, plan.settings(scenario), restart) as store:
        found = {unit: store.load(unit) for unit in range(plan.seeds)}
        missing = [unit for unit, counts in found.items() if counts is None]
        units_done = plan.seeds - len(missing)
        frames_done = units_done * plan.n_frames

        def tell(frames: int, units: int) -> None:
            nonlocal frames_done, units_done
            frames_done, units_done = frames_done + frames, units_done + units
            if progress is not None:
                progress(units_done, frames_done, plan.seeds * plan.n_frames)

        tell(0, 0)
        carry_out(missing, jobs, plan, scenario, store, tell)
        # All from the disk: what was done now and what was found are the same thing.
        units = [counts for counts in (store.load(unit) for unit in range(plan.seeds)) if counts is not None]
        if len(units) < plan.seeds:
            raise OSError(
                f"{out}: {plan.seeds - len(units)} units are gone from the folder; give the same command again"
            )
        roc = evaluate(scenario, plan, units)
        _write(roc, out)
    return roc


def _write(roc: Roc, out: Path) -> None:
    write_whole(out / "roc.json", as_json(roc).encode())
    for name in PICTURES:
        write_whole(out / f"{name}.png", draw_png(roc, name))
    write_whole(out / "roc.html", write_page(roc).encode())

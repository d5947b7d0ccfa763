"""Two reports beside each other: which verdicts changed, and by how much each figure did."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookdown.hil.markup import DASH, Right, mono, number, table
from lookdown.hil.requirements import METRICS, figure
from lookdown.wire.errors import ConfigError

_SHOWN_SHARE = 0.005


@dataclass(frozen=True)
class Change:
    """A figure of two runs."""

    metric: str
    before: float | None
    now: float | None

    @property
    def share(self) -> float | None:
        """By how much it grew, as a share of what it was; None where that says nothing."""
        if self.before is None or self.now is None or not self.before:
            return None
        return (self.now - self.before) / abs(self.before)


def read_report(folder: Path) -> dict[str, Any]:
    """Read the ``report.json`` of a run.

    Raises
    ------
    ConfigError
        There is none.
    """
    path = folder / "report.json"
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: wanted the report of an earlier run, came none ({error}); check the folder"
        ) from None
    return tree


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Return all figures that either report has, in the order of `METRICS`."""
    found = [Change(metric, figure(before, metric), figure(now, metric)) for metric in METRICS]
    return [change for change in found if change.before is not None or change.now is not None]


def turned(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (id, verdict before, verdict now) of the requirements whose verdict is another."""
    then = {item["id"]: item["verdict"] for item in before.get("requirements", ())}
    here = {item["id"]: item["verdict"] for item in now.get("requirements", ())}
    return [
        (name, then.get(name, "absent"), here.get(name, "absent"))
        for name in dict.fromkeys([*here, *then])
        if then.get(name, "absent") != here.get(name, "absent")
    ]


def comparison_section(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> str:
    """Return the section of the page that compares a run with an earlier one, HTML."""
    verdicts = turned(before, now)
    lines = [[f"<b>{html.escape(name)}</b>", then, here] for name, then, here in verdicts]
    said = table(("requirement", "earlier", "now"), lines) if lines else "<p>No verdict changed.</p>"
    rows = []
    for change in changes(before, now):
        share = change.share
        moved = change.before != change.now and (share is None or abs(share) > _SHOWN_SHARE)
        how = DASH if share is None else f"{100 * share:+.1f} %"
        cells = [mono(change.metric), Right(number(change.before)), Right(number(change.now)),
                 Right(f"<b>{how}</b>" if moved else how)]  # fmt: skip
        rows.append(cells)
    same = before.get("scenario") == now.get("scenario") and before.get("seed") == now.get("seed")
    warning = "" if same else "<p><b>The earlier run is of another scenario or seed.</b></p>"
    written = before.get("provenance", {}).get("written", "")
    return (
        f'<section class="long"><h2>Beside an earlier run</h2><p class="say">{html.escape(str(folder))}, written '
        f"{html.escape(str(written))}. Bold: changed by more than {100 * _SHOWN_SHARE:g} %.</p>{warning}{said}"
        f"{table(('figure', Right('earlier'), Right('now'), Right('change')), rows)}</section>"
    )

"""How a campaign shows on a terminal: a bar while it works, a few figures at its end."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from lookdown.hil.campaign.results import Roc

_PLAIN_WIDTH = 100  # columns of a table that no terminal shows


class CampaignProgress:
    """Bar on standard error with units done and the time that is left; use it as a context manager and call it.

    Parameters
    ----------
    seeds : int
        Units of the campaign.
    """

    def __init__(self, seeds: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._bar = Progress(*columns, *times, console=Console(stderr=True), speed_estimate_period=120.0)
        self._seeds = seeds
        self._task = self._bar.add_task(self._text(0), total=None)

    def _text(self, units: int) -> str:
        return f"detection curves: {units} of {self._seeds} units"

    def __enter__(self) -> Self:
        """Begin."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; the bar stays where it was."""
        self._bar.stop()

    def __call__(self, units: int, frames: int, total: int) -> None:
        """Show that so many units and frames are done, of so many frames in all."""
        self._bar.update(self._task, description=self._text(units), completed=frames, total=total)


def summarise(roc: Roc) -> None:
    """Print the SNR that it takes, beside theory."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    table = Table("Pd", "Pfa", "SNR measured", "SNR theory", r"loss \[dB]", box=None, pad_edge=False)
    for needed in roc.needed:
        measured, loss = needed.measured, needed.loss_db
        if measured is not None and loss is not None:
            row = (f"{needed.pd:g}", f"{needed.pfa:g}", f"{measured:.2f}", f"{needed.theory:.2f}", f"{loss:.2f}")
            table.add_row(*row)
    if table.row_count:
        console.print(table)

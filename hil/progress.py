"""How a run shows that it goes on: a live line on a terminal, plain lines every few seconds elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live as LiveDisplay
from rich.table import Table

from lookdown.hil.rig import Live

_PLAIN_EVERY_S = 5.0


class ConsoleProgress:
    """Tells on standard error what a run does; use it as a context manager.

    Parameters
    ----------
    duration_s : float
        Length of the scenario [s].
    """

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._console = Console(stderr=True, highlight=False)
        self._display: LiveDisplay | None = None
        self._said_s = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live line down."""
        self._end_live()

    def step(self, text: str) -> None:
        """Say what is done now."""
        self._end_live()
        self._console.print(f"[bold]==[/bold] {text}")

    def live(self, state: Live) -> None:
        """Show the state of the run."""
        if self._console.is_terminal:
            if self._display is None:
                self._display = LiveDisplay(console=self._console, refresh_per_second=5, transient=True)
                self._display.start()
            self._display.update(self._table(state))
            return
        now_s = time.monotonic()
        if now_s - self._said_s >= _PLAIN_EVERY_S:
            self._said_s = now_s
            sys.stderr.write(self._line(state) + "\n")
            sys.stderr.flush()

    def _end_live(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _line(self, state: Live) -> str:
        plots = sum(health.plots_sent for health in state.health.values())
        return (
            f"   {state.elapsed_s:5.1f} of {self._duration_s:g} s: {sum(state.frames_sent.values())} frames sent "
            f"({state.frames_late} late), {plots} plots, {state.tracks_confirmed} confirmed tracks"
        )

    def _table(self, state: Live) -> Table:
        table = Table(title=self._line(state).strip(), title_justify="left", box=None, pad_edge=False)
        for name in ("satellite", "frames sent", "processed", "plots", "step ms", "missed", "refused", "dropped"):
            table.add_column(name, justify="right")
        for sensor_id in sorted(state.frames_sent):
            sent, health = str(state.frames_sent[sensor_id]), state.health.get(sensor_id)
            if health is None:
                table.add_row(str(sensor_id), sent)
                continue
            counts = (health.frames_missed, health.frames_refused, health.reports_dropped)
            step_ms = f"{1e-3 * health.step_median_us:.1f}"
            row = (sent, str(health.frames_processed), str(health.plots_sent), step_ms, *map(str, counts))
            table.add_row(str(sensor_id), *row)
        return table

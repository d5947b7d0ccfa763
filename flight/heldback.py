"""Frames of a recording held back until every window that ends later has added its plots to them.

A path found through the last frames lay in each of them; live, only the newest one is still open. A recording can wait,
and so every frame gets the plots of all windows through it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from lookdown.flight.chain import ChainResult
from lookdown.flight.multiframe import Window, merged
from lookdown.flight.trails import without_trails
from lookdown.wire.messages import ReportFlag

Item = TypeVar("Item")


@dataclass(slots=True)
class _Held(Generic[Item]):
    item: Item
    result: ChainResult | None
    plots: NDArray[Any] | None
    n_left_out: int = 0


class HeldBack(Generic[Item]):
    """Holds the results of a chain with the multi-frame stage.

    Parameters
    ----------
    n_frames : int
        Frames of a window.
    most : int
        Plots that a frame may hold.
    """

    def __init__(self, n_frames: int, most: int) -> None:
        self._n_frames, self._most = n_frames, most
        self._held: deque[_Held[Item]] = deque()

    def put(self, item: Item, result: ChainResult | None) -> Iterator[tuple[Item, ChainResult | None]]:
        """Take the next result, None for a frame that the chain refused; yield those that no window can reach any more.

        Parameters
        ----------
        item : object
            Goes with the result.
        result : ChainResult or None
            What the chain gave; its plots are copied.

        Yields
        ------
        item, result
            In the order they came.
        """
        self._held.append(_Held(item, result, None if result is None else result.plots.copy()))
        if result is not None and result.window is not None:
            self._add(result.window, newest=1)
        n_stepped = sum(held.result is not None for held in self._held)
        while self._held and (n_stepped > self._n_frames or self._held[0].result is None):
            n_stepped -= self._held[0].result is not None
            yield self._let_go()

    def finish(self, window: Window | None) -> Iterator[tuple[Item, ChainResult | None]]:
        """Yield the rest.

        Parameters
        ----------
        window : Window or None
            What a last look at the last frames found (`Chain.last_window`).
        """
        if window is not None:
            self._add(window, newest=0)
        while self._held:
            yield self._let_go()

    def _add(self, window: Window, newest: int) -> None:
        """Add the plots of a window, from the frame ``newest`` frames ago on: those before have them."""
        stepped = [held for held in reversed(self._held) if held.result is not None]
        for ago in range(newest, min(len(window.places), len(stepped))):
            held = stepped[ago]
            assert held.plots is not None
            held.plots, n_left_out = merged(held.plots, window.plots(ago), self._most)
            held.n_left_out += n_left_out

    def _let_go(self) -> tuple[Item, ChainResult | None]:
        held = self._held.popleft()
        if held.result is None or held.plots is None:
            return held.item, None
        plots = held.plots[: without_trails(held.plots)]
        flags = held.result.flags | (ReportFlag.TRUNCATED if held.n_left_out else ReportFlag.NONE)
        n_left_out = held.result.n_left_out + held.n_left_out
        return held.item, replace(held.result, plots=plots, flags=flags, n_left_out=n_left_out)

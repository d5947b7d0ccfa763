"""A recording through the chain, as fast as it goes: frames in, one line of plots a frame out.

A frame that the chain cannot take (not finite, of another size) is refused, counted and named once; the others go on.
The output is written under a temporary name and gets its own when the whole recording is through, so that nothing
half-written looks whole.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.chain import Chain, ChainResult
from lookdown.flight.heldback import HeldBack
from lookdown.flight.sources import RecordedFrame, Recording, SourceError
from lookdown.flight.view import ViewWriter

_SHOW_EVERY_S = 0.2


@dataclass(slots=True)
class Summary:
    """What became of a recording.

    Attributes
    ----------
    frames, plots : int
        Frames through the chain and plots found.
    refused : int
        Frames that the chain could not take.
    left_out : int
        Plots beyond the capacity of a report.
    chain_s : float
        Time in the chain alone [s].
    wall_s : float
        Time from the first to the last frame, reading and writing included [s].
    broken : str
        Why the recording ended early; empty if it did not.
    """

    frames: int = 0
    plots: int = 0
    refused: int = 0
    left_out: int = 0
    chain_s: float = 0.0
    wall_s: float = 0.0
    broken: str = ""


@contextmanager
def plots_file(path: Path | None) -> Iterator[TextIO]:
    """Open what plots are written to: standard output, or a file that gets its name when all went well."""
    if path is None:
        yield sys.stdout
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def refusal(samples: NDArray[Any], shape: tuple[int, ...]) -> str:
    """Return why the chain cannot take these samples; empty if it can."""
    if samples.shape != shape:
        return f"wanted {shape[0]} x {shape[1]} pixels like the first frame, came {' x '.join(map(str, samples.shape))}"
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        return f"wanted finite samples, came {int(np.count_nonzero(~np.isfinite(samples)))} that are not"
    return ""


def line_of(frame: RecordedFrame, result: ChainResult | None) -> str:
    """Return the line of one frame, without its end; a refused frame has no plots and says so.

    Parameters
    ----------
    frame : RecordedFrame
        The frame.
    result : ChainResult or None
        What the chain made of it; None if it was refused.
    """
    row: dict[str, Any] = {"frame": frame.index, "time_ns": frame.time_ns, "plots": []}
    if result is None:
        row["refused"] = True
    else:
        row["plots"] = [
            {
                "row": round(float(plot["row"]), 3),
                "col": round(float(plot["col"]), 3),
                "snr": round(float(plot["snr"]), 3),
                "n_pixels": int(plot["n_pixels"]),
            }
            for plot in result.plots
        ]
    return json.dumps(row)


def through_chain(
    recording: Recording,
    make_chain: Callable[[int, int], Chain],
    summary: Summary,
    warn: Callable[[str], None],
) -> Iterator[tuple[RecordedFrame, ChainResult | None]]:
    """Step a chain through a recording; with the multi-frame stage, frames come out a window later with all its plots.

    Parameters
    ----------
    recording : Recording
        What to process.
    make_chain : callable
        Makes the chain for the rows and columns of the first frame.
    summary : Summary
        Updated frame by frame.
    warn : callable
        Told, in one line, of the first refused frame and of a recording that breaks off.

    Yields
    ------
    frame, result : RecordedFrame, ChainResult or None
        Each frame with what the chain made of it; None if it was refused. Valid until the next.
    """
    for frame, result in _stepped(recording, make_chain, summary, warn):
        if result is not None:
            summary.plots += len(result.plots)
            summary.left_out += result.n_left_out
        yield frame, result


def _stepped(
    recording: Recording,
    make_chain: Callable[[int, int], Chain],
    summary: Summary,
    warn: Callable[[str], None],
) -> Iterator[tuple[RecordedFrame, ChainResult | None]]:
    chain: Chain | None = None
    held: HeldBack[RecordedFrame] | None = None
    shape: tuple[int, ...] = ()
    try:
        for frame in recording.frames:
            if chain is None:
                shape = frame.samples.shape
                chain = make_chain(*shape)
                multi = chain.parameters.multi_frame
                held = HeldBack(multi.frames, chain.parameters.max_plots) if multi.enabled else None
            why = refusal(frame.samples, shape)
            if why:
                if not summary.refused:
                    warn(f"{recording.path}: frame {frame.index} refused: {why}; later ones like it are only counted")
                summary.refused += 1
                result = None
            else:
                begun_s = time.perf_counter()
                result = chain.step(frame.samples, frame.state, frame.time_ns)
                summary.chain_s += time.perf_counter() - begun_s
                summary.frames += 1
            if held:
                yield from held.put(replace(frame, samples=frame.samples.copy()), result)
            else:
                yield frame, result
    except SourceError as error:
        if chain is None:
            raise
        summary.broken = str(error)
        warn(summary.broken)
    if chain and held:
        yield from held.finish(chain.last_window())


def process_recording(
    recording: Recording,
    make_chain: Callable[[int, int], Chain],
    plots_path: Path | None,
    view_path: Path | None = None,
    warn: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    show: Callable[[Summary, int | None], None] | None = None,
) -> Summary:
    """Process a recording into a file of plots and, on request, a video with the plots drawn.

    Parameters
    ----------
    recording : Recording
        What to process.
    make_chain : callable
        Makes the chain for the rows and columns of the first frame.
    plots_path : Path or None
        Where the lines go; None: standard output.
    view_path : Path, optional
        Where the video goes.
    warn : callable
        Told of refused frames and of a recording that breaks off.
    show : callable, optional
        Told of the progress a few times a second: the summary so far and how many frames there are.

    Returns
    -------
    Summary
        Counts and times.

    Raises
    ------
    SourceError
        Not one frame could be read or taken.
    OSError
        An output cannot be written.
    """
    summary = Summary()
    begun_s = shown_s = time.perf_counter()
    with ExitStack() as stack:
        out = stack.enter_context(plots_file(plots_path))
        view = ViewWriter(view_path, recording.rate_hz) if view_path else None
        if view:
            stack.callback(view.close)
        for frame, result in through_chain(recording, make_chain, summary, warn):
            out.write(line_of(frame, result) + "\n")
            if view:
                plots = result.plots if result else np.zeros(0)
                view.add(frame.index, frame.samples, plots, "" if result else "refused")
            now_s = time.perf_counter()
            if show and now_s - shown_s > _SHOW_EVERY_S:
                show(summary, recording.n_frames)
                shown_s = now_s
        summary.wall_s = time.perf_counter() - begun_s
        if not summary.frames:
            raise SourceError(
                f"{recording.path}: none of its {summary.refused} frames could be taken; see the line above"
            )
    return summary

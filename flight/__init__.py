"""The onboard process, and its chain as a function: frames in, plots out."""

from collections.abc import Iterable, Iterator
from typing import Any

from numpy.typing import NDArray

# Refuses to import without the compiled kernels: there is no slow substitute.
import lookdown.kernels  # noqa: F401

__all__ = ["process"]


def process(frames: Iterable[NDArray[Any]], **parameters: Any) -> Iterator[NDArray[Any]]:
    """Find what moves in a sequence of frames.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, rows, cols), or iterable of ndarray, shape (rows, cols)
        Frames in order, of one size, integers or floats. uint16 goes in without a copy.
    **parameters
        Fields of `lookdown.flight.config.ChainParameters`, such as ``threshold`` (calibrated SNR, default 5),
        ``psf_sigma_px`` or ``background_frames``. With ``multi_frame=MultiFrameParameters(enabled=True)`` targets too
        weak for one frame are found along straight paths; each frame then comes a window later (16 frames).

    Yields
    ------
    ndarray of PLOT_DTYPE, shape (n_plots,)
        Plots of each frame, strongest first: ``row``, ``col`` [px], ``snr`` (positive for bright and dark),
        ``amplitude`` (negative if darker than the surroundings), ``n_pixels``, ``sigma_row_px``, ``sigma_col_px``,
        ``flags``. The first frame has spatial stages alone.

    Raises
    ------
    ValueError
        If a frame has another size than the first, is no 2-D array of numbers, or holds a value that is not finite.
    TypeError
        If a parameter is not one of the chain's.

    Examples
    --------
    >>> import numpy as np
    >>> from lookdown.flight import process
    >>> rng = np.random.default_rng(1)
    >>> frames = rng.normal(1000, 4, (12, 64, 96))
    >>> for k in range(12):
    ...     frames[k, 29:32, 20 + 3 * k : 23 + 3 * k] += 40
    >>> plots = list(process(frames.astype(np.uint16), threshold=6))
    >>> len(plots), round(float(plots[-1]["row"][0])), round(float(plots[-1]["col"][0]))
    (12, 30, 54)
    """
    # Imported when needed: the command starts faster without.
    from lookdown.flight.chain import Chain
    from lookdown.flight.config import ChainParameters
    from lookdown.flight.heldback import HeldBack

    settings = ChainParameters(**parameters)
    chain: Chain | None = None
    held = HeldBack[None](settings.multi_frame.frames, settings.max_plots) if settings.multi_frame.enabled else None
    for samples in frames:
        if chain is None:
            if getattr(samples, "ndim", 0) != 2:
                raise ValueError(
                    f"frames: wanted arrays [rows, cols], got {getattr(samples, 'shape', type(samples))}; "
                    "give an array [frames, rows, cols] or an iterable of frames"
                )
            chain = Chain(settings, *samples.shape)
        if held is None:
            yield chain.step(samples).plots.copy()
        else:
            yield from (result.plots for _, result in held.put(None, chain.step(samples)) if result)
    if held and chain:
        yield from (result.plots for _, result in held.finish(chain.last_window()) if result)

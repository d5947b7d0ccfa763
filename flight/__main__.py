"""The command ``lookdown-flight``: recordings through the onboard chain, and the onboard process itself."""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lookdown.wire.errors import ConfigError

if TYPE_CHECKING:
    from lookdown.flight.config import FlightConfig
    from lookdown.flight.offline import Summary

_UNUSABLE = 2

_EXAMPLES = """examples:
  lookdown-flight process clip.mp4 --plots plots.jsonl --view view.mp4
  lookdown-flight process frames.npy --plots - --threshold 6 | head
  lookdown-flight process CPI.h5 --plots plots.jsonl
  lookdown-flight run --config config/flight.toml
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-flight",
        description="Onboard sensor processing: frames in, plots of moving targets out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-flight {version('lookdown')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="process | run")

    process = commands.add_parser(
        "process",
        help="run a recording through the chain, as fast as it goes",
        description="Run a recording through the onboard chain and write one line of plots a frame.",
        epilog="example: lookdown-flight process clip.mp4 --plots plots.jsonl --view view.mp4",
    )
    process.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="video, .npy [frames, rows, cols], HDF5 or NetCDF, image, folder of images, FITS cube, or HDF5 with a "
        "dataset cpi of radar intervals (docs/radar.md)",
    )
    process.add_argument(
        "--plots", metavar="OUT.jsonl", required=True, help="where the plots go, a line a frame; - is standard output"
    )
    process.add_argument("--view", type=Path, metavar="OUT.mp4", help="also write a video with the plots drawn")
    process.add_argument("--config", type=Path, metavar="FILE", help="settings of the chain (see config/flight.toml)")
    process.add_argument(
        "--threshold", type=float, metavar="SNR", help="smallest calibrated SNR of a plot (default: 5, or the config's)"
    )
    process.add_argument(
        "--suppression",
        metavar="NAME",
        help="what takes the background away: recursive, median, double_difference or top_hat (docs/detection.md says "
        "when to choose which; default: recursive, or the config's)",
    )
    process.add_argument(
        "--multi-frame",
        action="store_true",
        help="also find targets too weak for one frame, along straight paths through 16 (or as the config says)",
    )
    process.add_argument(
        "--threads", type=int, metavar="N", help="threads that share a frame (default: 1, or the config's)"
    )
    process.add_argument("--rate", type=float, metavar="HZ", help="frame rate (default: the recording's own, else 10)")

    process.add_argument(
        "--dataset", metavar="NAME", default="", help="dataset or group of an HDF5 file (default: the first that fits)"
    )

    run = commands.add_parser(
        "run",
        help="the onboard process, live",
        description="The onboard process: takes frames from its socket, sends plot reports to the ground. Where "
        "FILE.sha256 stands beside FILE (as sha256sum writes it), it must fit, or the process refuses to start.",
        epilog="example: lookdown-flight run --config config/flight.toml",
    )
    run.add_argument("--config", type=Path, metavar="FILE", required=True, help="see config/flight.toml")
    return parser


def _process(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from lookdown.flight.config import FlightConfig
    from lookdown.flight.factory import make_chain
    from lookdown.flight.offline import process_recording
    from lookdown.flight.radar.sources import holds_intervals
    from lookdown.flight.sources import open_recording
    from lookdown.wire.config import load_config

    config = load_config(options.config, FlightConfig) if options.config else FlightConfig()
    given = {name: getattr(options, name) for name in ("threshold", "suppression", "threads")}
    try:
        chain = replace(config.chain, **{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise ConfigError(f"--{error}") from None
    config = replace(config, chain=chain)
    if options.multi_frame:
        multi_frame = replace(config.chain.multi_frame, enabled=True)
        config = replace(config, chain=replace(config.chain, multi_frame=multi_frame))
    if options.rate is not None and not options.rate > 0:
        raise ConfigError(f"--rate: wanted frames per second above 0, came {options.rate}")
    if holds_intervals(options.source):
        return _process_intervals(options, config)
    recording = open_recording(options.source, options.rate, options.dataset)
    terminal = sys.stderr.isatty()

    def show(summary: "Summary", n_frames: int | None) -> None:
        of = f" of {n_frames}" if n_frames else ""
        sys.stderr.write(f"\r{summary.frames + summary.refused}{of} frames, {summary.plots} plots ")
        sys.stderr.flush()

    summary = process_recording(
        recording,
        lambda rows, cols: make_chain(config, rows, cols),
        None if options.plots == "-" else Path(options.plots),
        options.view,
        show=show if terminal else None,
    )
    rate_hz = (summary.frames + summary.refused) / max(summary.wall_s, 1e-9)
    said = (
        f"{summary.frames} frames, {summary.plots} plots, {summary.refused} frames refused, "
        f"{summary.left_out} plots left out; chain {1e3 * summary.chain_s / summary.frames:.2f} ms per frame, "
        f"with reading and writing {rate_hz:.0f} frames/s ({rate_hz / recording.rate_hz:.1f} times its rate)"
    )
    print(f"\r{said}" if terminal else said, file=sys.stderr)
    return _UNUSABLE if summary.broken else 0


def _process_intervals(options: argparse.Namespace, config: "FlightConfig") -> int:
    from dataclasses import replace

    from lookdown.flight.radar.offline import process_intervals
    from lookdown.flight.radar.sources import open_intervals

    for name in ("view", "suppression", "multi_frame", "rate"):
        if getattr(options, name):
            raise ConfigError(f"--{name.replace('_', '-')}: is for images; {options.source} holds radar intervals")
    parameters = config.radar
    if options.threshold is not None:
        try:
            parameters = replace(parameters, threshold=options.threshold)
        except ValueError as error:
            raise ConfigError(f"--threshold: {error}") from None
    terminal = sys.stderr.isatty()

    def show(summary: "Summary", n_frames: int | None) -> None:
        sys.stderr.write(f"\r{summary.frames + summary.refused} of {n_frames} intervals, {summary.plots} plots ")
        sys.stderr.flush()

    plots_path = None if options.plots == "-" else Path(options.plots)
    recording = open_intervals(options.source, options.dataset)
    summary = process_intervals(recording, parameters, plots_path, show=show if terminal else None)
    said = (
        f"{summary.frames} intervals, {summary.plots} plots, {summary.refused} intervals refused, "
        f"{summary.left_out} plots left out; chain {1e3 * summary.chain_s / summary.frames:.2f} ms per interval"
    )
    print(f"\r{said}" if terminal else said, file=sys.stderr)
    return _UNUSABLE if summary.broken else 0


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        Exit status: 0, or 2 for input or a configuration that cannot be used.
    """
    options = _parser().parse_args(argv)
    from lookdown.flight.sources import SourceError

    try:
        if options.command == "process":
            return _process(options)
        from lookdown.flight.checksums import check_checksums
        from lookdown.flight.config import FlightConfig
        from lookdown.flight.live import run
        from lookdown.wire.config import load_config

        check_checksums(options.config)
        return run(load_config(options.config, FlightConfig))
    except (ConfigError, SourceError, OSError) as error:
        print(f"lookdown-flight: {error}", file=sys.stderr)
        return _UNUSABLE
    except KeyboardInterrupt:
        print("lookdown-flight: stopped; nothing was written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())

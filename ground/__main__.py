"""The command ``lookdown-ground``: the ground process, and fusion of recordings."""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from lookdown.wire.errors import ConfigError, WireError

_UNUSABLE = 2

_EXAMPLES = """examples:
  lookdown-ground run --config config/ground.toml
  lookdown-ground fuse ground-run/received.ldrec --out tracks.jsonl
  lookdown-ground fuse received.ldrec --out - --config config/ground.toml | head
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-ground",
        description="Ground fusion: plot reports of many satellites in, tracks out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-ground {version('lookdown')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | fuse")

    run = commands.add_parser(
        "run",
        help="the ground process, live",
        description="Receive plot reports, record and acknowledge them, fuse them, publish the picture. Ends on SIGINT "
        "or SIGTERM, or when every sensor has ended if exit_when_all_ended is set; prints its counters as JSON.",
        epilog="example: lookdown-ground run --config config/ground.toml",
    )
    run.add_argument("--config", type=Path, metavar="FILE", required=True, help="see config/ground.toml")

    fuse = commands.add_parser(
        "fuse",
        help="fuse a recording, as fast as it goes",
        description="Fuse a recording of plot reports and write one line of JSON per track update; the same recording "
        "gives the tracks of the live run.",
        epilog="example: lookdown-ground fuse ground-run/received.ldrec --out tracks.jsonl",
    )
    fuse.add_argument("recording", type=Path, metavar="RECORDING", help="recording of the link (.ldrec)")
    fuse.add_argument(
        "--out",
        metavar="TRACKS.jsonl",
        required=True,
        help="where the tracks go, a line an update; - is standard output",
    )
    fuse.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration of the live run, for [fusion] (default: built-in)"
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    import zmq

    from lookdown.ground.config import GroundConfig
    from lookdown.ground.live import Ground
    from lookdown.wire.clock import SystemClock
    from lookdown.wire.config import load_config

    config = load_config(options.config, GroundConfig)
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: asked.append(received))
    with zmq.Context() as context:
        ground = Ground(config, context, SystemClock())
        print(f"listening on {config.endpoint}, writing to {config.folder}", file=sys.stderr, flush=True)
        terminal = sys.stderr.isatty()

        def progress(line: str) -> None:
            print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

        counters = ground.run(lambda: bool(asked), progress)
    if terminal:
        print(file=sys.stderr)
    print(json.dumps(counters), flush=True)
    return 0


def _fuse(options: argparse.Namespace) -> int:
    from lookdown.ground.config import GroundConfig
    from lookdown.ground.offline import fuse_recording, make_pipeline, reports_in, update_lines
    from lookdown.wire.config import load_config
    from lookdown.wire.messages import TrackStatus
    from lookdown.wire.recording import Recording

    config = load_config(options.config, GroundConfig) if options.config else GroundConfig()
    recording = Recording(options.recording)
    pipeline = make_pipeline(recording, config.fusion)
    reports = updates = 0
    confirmed: set[int] = set()
    began_s = said_s = time.monotonic()
    size = max(options.recording.stat().st_size, 1)
    with _output(options.out) as out:
        for events in fuse_recording(recording, pipeline):
            for fused in reports_in(events):
                reports += 1
                updates += len(fused.updates)
                is_confirmed = fused.updates["status"] == TrackStatus.CONFIRMED
                confirmed.update(fused.updates["track_id"][is_confirmed].tolist())
                out.writelines(f"{line}\n" for line in update_lines(fused.updates))
            if time.monotonic() - said_s >= 1.0:
                said_s = time.monotonic()
                done = 100.0 * recording.end / size
                print(f"{done:3.0f} %, {reports} reports, {len(confirmed)} tracks", file=sys.stderr, flush=True)
    refused = sum(value for (_, name), value in pipeline.counters.items() if name.startswith("refused"))
    took_s = time.monotonic() - began_s
    damaged = f", {recording.octets_left_out} damaged octets left out" if recording.octets_left_out else ""
    print(
        f"{reports} reports ({refused} refused{damaged}) gave {len(confirmed)} confirmed tracks in {updates} updates, "
        f"{took_s:.1f} s; written to {'standard output' if options.out == '-' else options.out}",
        file=sys.stderr,
    )
    return 0


def _output(path: str) -> contextlib.AbstractContextManager[TextIO]:
    if path == "-":
        return contextlib.nullcontext(sys.stdout)
    try:
        return Path(path).open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); choose another place") from None


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 good, 2 what was given cannot be used."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        return _run(options) if options.command == "run" else _fuse(options)
    except (ConfigError, WireError) as error:
        print(f"lookdown-ground: {error}", file=sys.stderr)
    except FileNotFoundError as error:
        print(f"lookdown-ground: {error.filename}: no such file; check the path", file=sys.stderr)
    except BrokenPipeError:
        # The reader of standard output has enough; what is still buffered goes nowhere, without a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return _UNUSABLE


if __name__ == "__main__":
    sys.exit(main())

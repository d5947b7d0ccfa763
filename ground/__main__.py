"""The command ``lookdown-ground``: the ground process, fusion of recordings, and what its history tells."""

import argparse
import contextlib
import csv
import io
import json
import logging
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from lookdown.wire.errors import ConfigError, WireError

if TYPE_CHECKING:
    import duckdb

_UNUSABLE = 2
_ANY_WIDTH = 100_000  # columns: more than any table takes
_FORMATS = ("asterix", "cot", "stanag4607", "czml", "geojson")

_EXAMPLES = """examples:
  lookdown-ground run --config config/ground.toml
  lookdown-ground fuse ground-run/received.ldrec --out tracks.jsonl
  lookdown-ground fuse received.ldrec --out - --config config/ground.toml | head
  lookdown-ground query ground-run "SELECT * FROM tracks"
  lookdown-ground export ground-run --format czml --out tracks.czml
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-ground",
        description="Ground fusion: plot reports of many satellites in, tracks out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-ground {version('lookdown')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | fuse | query | export")

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
    query = commands.add_parser(
        "query",
        help="ask a history by SQL",
        description="Run one SQL statement (DuckDB) over the history of a ground process, which may be running. "
        "Views: tracks, track_updates, reports, plot_links, events, counters; their columns: DESCRIBE tracks.",
        epilog='example: lookdown-ground query ground-run "SELECT track_id, utc, lat_deg, lon_deg, height_m FROM '
        'track_updates WHERE speed_m_s > 1000 ORDER BY time_ns" --format csv',
    )
    query.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the ground process")
    query.add_argument("sql", metavar="SQL", help="statement that gives rows; - reads it from standard input")
    query.add_argument(
        "--format", choices=("table", "csv", "json", "parquet"), default="table", help="of the rows (default: table)"
    )
    query.add_argument("--out", metavar="FILE", default="-", help="where the rows go (default: standard output)")
    export = commands.add_parser(
        "export",
        help="write tracks of a history in a standard format",
        description="Write the confirmed tracks of a history as ASTERIX category 062, Cursor on Target, STANAG 4607 "
        "(surface movers alone), CZML or GeoJSON; docs/outputs.md tells how to watch them.",
        epilog="example: lookdown-ground export ground-run --format geojson --out tracks.geojson --track 3 --track 8 "
        "--from 2027-01-15T08:00:10Z --every 1",
    )
    export.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the ground process")
    export.add_argument("--format", choices=_FORMATS, required=True, help="of the file")
    export.add_argument("--out", metavar="FILE", required=True, help="file to write; - is standard output")
    export.add_argument("--from", dest="since", metavar="UTC", help="from this instant on, ISO 8601")
    export.add_argument("--to", dest="until", metavar="UTC", help="up to this instant, ISO 8601")
    export.add_argument(
        "--track", type=int, action="append", default=[], metavar="ID", help="this track; may be repeated"
    )
    export.add_argument(
        "--every", type=float, default=0.0, metavar="S", help="least time between points of a track [s]"
    )
    export.add_argument("--tentative", action="store_true", help="with the updates from before confirmation")
    export.add_argument("--simulated", action="store_true", help="mark the data as simulated where the format can")
    return parser


def _export(options: argparse.Namespace) -> int:
    from lookdown.ground.outputs.export import Choice, export, instant

    choice = Choice(tracks=frozenset(options.track), every_s=options.every, tentative=options.tentative)
    if options.since:
        choice = replace(choice, since_ns=instant(options.since))
    if options.until:
        choice = replace(choice, until_ns=instant(options.until))
    octets, points = export(options.folder, options.format, choice, options.simulated)
    with _binary_output(options.out) as out:
        out.write(octets)
    print(
        f"{len(points)} points of {len(set(points.track_id.tolist()))} tracks, {len(octets)} octets; written to "
        f"{'standard output' if options.out == '-' else options.out}",
        file=sys.stderr,
    )
    return 0


def _table(rows: "duckdb.DuckDBPyRelation") -> str:
    """Return rows as a table: as wide as a terminal, or with every column where the output is none."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _ANY_WIDTH
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        rows.show(max_width=width)
    return shown.getvalue()


def _query(options: argparse.Namespace) -> int:
    import duckdb
    import pyarrow.parquet

    from lookdown.ground.query import HistoryReader

    if options.format == "parquet" and options.out == "-":
        raise ConfigError("--format parquet: wanted a file to write, got none; give --out FILE")
    sql = sys.stdin.read() if options.sql == "-" else options.sql
    try:
        rows = HistoryReader(options.folder).query(sql)
        shown = _table(rows) if options.format == "table" else ""
        found = rows.to_arrow_table()
    except duckdb.Error as error:
        raise ConfigError(f"query: {error}") from None
    if options.format == "parquet":
        with _binary_output(options.out) as sink:
            pyarrow.parquet.write_table(found, sink)
        return 0
    # Instants as text, ISO 8601: those of nanoseconds are more than Python's own type holds.
    for place, column in enumerate(found.schema):
        if pyarrow.types.is_timestamp(column.type):
            found = found.set_column(place, column.name, found.column(place).cast(pyarrow.string()))
    with _output(options.out) as out:
        if options.format == "table":
            out.write(shown)
        elif options.format == "json":
            out.writelines(json.dumps(row, default=str) + "\n" for row in found.to_pylist())
        else:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(found.column_names)
            writer.writerows(zip(*(column.to_pylist() for column in found.columns), strict=True))
    return 0


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
    for error in pipeline.fusion.pointing:
        print(error, file=sys.stderr)
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


def _binary_output(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if path == "-":
        return contextlib.nullcontext(sys.stdout.buffer)
    try:
        return Path(path).open("wb")
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); choose another place") from None


_COMMANDS = {"run": _run, "fuse": _fuse, "query": _query, "export": _export}


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 good, 2 what was given cannot be used."""
    options = _parser().parse_args(argv)
    # Matrices are small: threads for linear algebra would spin beside each other. NumPy is not loaded yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        return _COMMANDS[options.command](options)
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

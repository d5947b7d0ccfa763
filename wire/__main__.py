"""The command ``lookdown-wire``: recordings in readable form, the packets as page and XTCE file, keys of nodes."""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

from lookdown.wire.dictionary import DICTIONARY
from lookdown.wire.errors import WireError
from lookdown.wire.keys_command import add_keys_parser, run_keys

_UNUSABLE = 2

_EXAMPLES = """examples:
  lookdown-wire dump build/demo/ground/received.ldrec | head
  lookdown-wire dump received.ldrec --table --packet Health --packet End
  lookdown-wire xtce > lookdown.xml
  lookdown-wire keys make board-keys --node 7
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-wire",
        description="What crosses the wire, in readable form.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-wire {version('lookdown')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="dump | trace | page | xtce | keys")
    dump = commands.add_parser(
        "dump",
        help="decode a recording, a line a packet",
        description="Decode a recording of the link (.ldrec) and write a line for each packet, as JSON or as a table.",
        epilog="A packet that is none is a line with its reason. Exit status 1: there were some, or damaged octets.",
    )
    dump.add_argument("recording", type=Path, metavar="RECORDING", help="a .ldrec file, such as a run's received.ldrec")
    dump.add_argument("--table", action="store_true", help="a table to read instead of JSON: counts in place of plots")
    dump.add_argument(
        "--packet",
        action="append",
        default=[],
        choices=[packet.name for packet in DICTIONARY.packets],
        help="only packets of this kind; may be given again",
    )
    dump.add_argument(
        "--sender", action="append", default=[], type=int, metavar="ID", help="only this sender; may be given again"
    )
    trace = commands.add_parser(
        "trace",
        help="follow messages through the relays: created, sent, each hop, stored, seen",
        description="Put together the way of each message from the traces that relays write and from recordings.",
        epilog="Exit status 1: lines were damaged, or nothing is known of the message that was asked for.",
    )
    trace.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="traces of relays (JSON lines), .ldrec files"
    )
    trace.add_argument("--id", metavar="ID", help="only this message, such as 7-00000000deadbeef-12")
    trace.add_argument("--state", metavar="STATE", help="only those: seen, delivered, dropped, expired or 'under way'")
    commands.add_parser(
        "page",
        help="the packets as a page in Markdown",
        description="Write the page of the packets in Markdown (docs/packets.md) to standard output.",
    )
    commands.add_parser(
        "xtce",
        help="the packets as an XTCE 1.2 file",
        description="Write the packets as an XTCE 1.2 file, which ground systems read, to standard output.",
    )
    add_keys_parser(commands)
    return parser


def _dump(options: argparse.Namespace) -> int:
    from lookdown.wire.dump import TABLE_HEAD, json_line, opened, table_line
    from lookdown.wire.recording import Recording

    recording = Recording(options.recording)
    line = table_line if options.table else json_line
    if options.table:
        print(TABLE_HEAD)
    refused = 0
    for delivery, message in opened(recording, set(options.packet), set(options.sender)):
        refused += isinstance(message, WireError)
        print(line(delivery, message))
    sys.stdout.flush()
    if refused or recording.octets_left_out:
        print(
            f"lookdown-wire: {options.recording}: {refused} packets refused, "
            f"{recording.octets_left_out} damaged octets left out",
            file=sys.stderr,
        )
        return 1
    return 0


def _trace(options: argparse.Namespace) -> int:
    from lookdown.wire.relay.bundle import parse_key
    from lookdown.wire.trace import Traces, way_lines

    traces = Traces()
    try:
        wanted = parse_key(options.id) if options.id else None
    except ValueError as error:
        raise WireError("id", str(error)) from None
    for path in options.files:
        traces.read(path)
    damaged = traces.left_out > 0
    if damaged:
        print(f"lookdown-wire: {traces.left_out} line(s) left out that are damaged or no trace", file=sys.stderr)
    if wanted and not traces.way(wanted):
        print(f"lookdown-wire: nothing is known of {wanted} in these files", file=sys.stderr)
        return 1
    for key in [wanted] if wanted else traces:
        lines = way_lines(key, traces.way(key))
        if options.state is None or f"  {options.state}, " in lines[0]:
            print("\n".join(lines))
    sys.stdout.flush()
    return int(damaged)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 good, 1 damage was met, 2 what was given cannot be used."""
    options = _parser().parse_args(argv)
    try:
        if options.command == "dump":
            return _dump(options)
        if options.command == "trace":
            return _trace(options)
        if options.command == "keys":
            return run_keys(options)
        if options.command == "page":
            from lookdown.wire.page import page

            sys.stdout.write(page(DICTIONARY))
        else:
            from lookdown.wire.xtce import to_xtce

            sys.stdout.write(to_xtce(DICTIONARY))
        sys.stdout.flush()
    except FileNotFoundError as error:
        print(f"lookdown-wire: {error.filename}: no such file; check the path", file=sys.stderr)
        return _UNUSABLE
    except BrokenPipeError:
        # The reader of standard output has enough; what is still buffered goes nowhere, without a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (WireError, OSError) as error:
        print(f"lookdown-wire: {error}", file=sys.stderr)
        return _UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())

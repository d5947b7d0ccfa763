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
    commands = parser.add_subparsers(dest="command", required=True, metavar="dump | page | xtce | keys")
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


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 good, 1 damage was met, 2 what was given cannot be used."""
    options = _parser().parse_args(argv)
    try:
        if options.command == "dump":
            return _dump(options)
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

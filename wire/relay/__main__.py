"""The command ``lookdown-relay``: a relay of the network, messages into and out of it, ways over a contact plan."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path

from lookdown.wire.errors import ConfigError

_UNUSABLE = 2
_EXAMPLES = """examples:
  lookdown-relay run --config config/relay.toml
  lookdown-relay send ipc://relay --node 7 --to 901 --priority 3 < report.bin
  lookdown-relay received store.sqlite
  lookdown-relay way plan.txt --from 7 --to 901
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-relay",
        description="Store and forward over a contact plan, with custody from node to node.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-relay {version('lookdown')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | send | received | way")
    run = commands.add_parser("run", help="run a relay until it is told to stop (Ctrl-C, SIGTERM)")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration; see docs/relay.md")
    send = commands.add_parser("send", help="hand a message on standard input to the relay of this machine")
    send.add_argument("endpoint", metavar="ENDPOINT", help="'local' of the relay's configuration, such as ipc://relay")
    send.add_argument("--node", type=int, required=True, metavar="ID", help="the node of that relay")
    send.add_argument("--to", type=int, required=True, metavar="ID", help="the node that it is for")
    send.add_argument("--priority", type=int, default=1, choices=range(4), help="0 to 3, the highest (default: 1)")
    send.add_argument("--lifetime", type=float, default=3600.0, metavar="S", help="when it expires (default: 3600 s)")
    received = commands.add_parser("received", help="list what was delivered here, a JSON line a message")
    received.add_argument("store", type=Path, metavar="STORE", help="'store' of the relay's configuration")
    received.add_argument("--after", type=int, default=0, metavar="N", help="only deliveries after this number")
    way = commands.add_parser("way", help="print the way of a message over a contact plan, and when it is where")
    way.add_argument("plan", type=Path, metavar="PLAN", help="a contact plan")
    way.add_argument("--from", type=int, required=True, metavar="ID", dest="source", help="where the message is")
    way.add_argument("--to", type=int, required=True, metavar="ID", help="where it is to go")
    way.add_argument("--at", type=int, metavar="NS", help="when, TAI [ns] (default: at the beginning of the plan)")
    way.add_argument("--octets", type=int, default=300, metavar="N", help="its size (default: 300)")
    return parser


def _run(options: argparse.Namespace) -> int:
    import zmq

    from lookdown.wire.clock import SystemClock
    from lookdown.wire.config import load_config
    from lookdown.wire.relay.config import RelayConfig
    from lookdown.wire.relay.live import RelayProcess

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    config = load_config(options.config, RelayConfig, beside=True)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        process = RelayProcess(config, context, SystemClock())
        try:
            print(f"relay of node {config.node} at {config.endpoint}, {process.relay.held} bundles held", flush=True)
            process.run(stop.is_set)
        finally:
            process.close()
        counts = ", ".join(f"{name} {count}" for name, count in sorted(process.relay.counts.items()))
        print(f"relay of node {config.node} ends with {process.relay.held} bundles held; {counts or 'nothing came'}")
    finally:
        context.destroy(linger=0)
    return 0


def _send(options: argparse.Namespace) -> int:
    import zmq

    from lookdown.wire.relay.local import RelayClient

    payload = sys.stdin.buffer.read()
    if not payload or options.lifetime <= 0:
        raise ConfigError("wanted a message on standard input and a lifetime above 0")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        client = RelayClient(context, options.endpoint, options.node)
        print(client.send(options.to, payload, options.priority, options.lifetime))
    finally:
        context.destroy(linger=0)
    return 0


def _received(options: argparse.Namespace) -> int:
    from lookdown.wire.relay.store import read_deliveries

    for message in read_deliveries(options.store, options.after):
        entry = {
            "number": message.number,
            "id": str(message.key),
            "priority": message.priority,
            "created_ns": message.created_ns,
            "arrival_ns": message.arrival_ns,
            "payload_hex": message.payload.hex(),
        }
        print(json.dumps(entry))
    sys.stdout.flush()
    return 0


def _way(options: argparse.Namespace) -> int:
    from lookdown.wire.dump import utc
    from lookdown.wire.relay.plan import read_plan
    from lookdown.wire.relay.routing import Network, Routes

    network = Network(read_plan(options.plan))
    begin_ns = min((contact.start_ns for contact in network.contacts), default=0)
    at_ns = begin_ns if options.at is None else options.at
    try:
        routes = Routes(network, options.source)
        routes.compute(at_ns, 8 * options.octets)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    way = routes.way(options.to)
    if not way:
        print(f"no way from {options.source} to {options.to} after {utc(at_ns)} in this plan")
        return 1
    for hop in way:
        after_s = (hop.arrival_ns - at_ns) / 1e9
        print(f"{hop.sender:>6} to {hop.receiver:<6} arrives {utc(hop.arrival_ns)}  +{after_s:.6f} s")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 good, 1 no way, 2 what was given cannot be used."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    command = {"run": _run, "send": _send, "received": _received, "way": _way}[options.command]
    try:
        return command(options)
    except BrokenPipeError:
        # The reader of standard output has enough; what is still buffered goes nowhere, without a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ConfigError, OSError) as error:
        print(f"lookdown-relay: {error}", file=sys.stderr)
    return _UNUSABLE


if __name__ == "__main__":
    sys.exit(main())

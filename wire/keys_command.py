"""The command ``lookdown-wire keys``: makes, enrols, revokes, rotates and lists the keys of a node."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lookdown.wire.clock import NS_PER_S, TAI_MINUS_UTC_S, SystemClock
from lookdown.wire.errors import ConfigError
from lookdown.wire.keys import Card, Keyring, NodeKeys, enrol, parse_card, revoke

_EXAMPLES = """examples:
  lookdown-wire keys make board-keys --node 7
  lookdown-wire keys make ground-keys --node 100
  lookdown-wire keys enrol ground-keys board-keys/node.card     (carry the card, compare the fingerprint)
  lookdown-wire keys enrol board-keys ground-keys/node.card
  lookdown-wire keys rotate board-keys && lookdown-wire keys enrol ground-keys board-keys/node.card
  lookdown-wire keys revoke ground-keys --node 7
"""


def add_keys_parser(commands: Any) -> None:
    """Add ``keys`` to the subcommands of a parser."""
    keys = commands.add_parser(
        "keys",
        help="make, enrol, revoke, rotate and list keys of nodes",
        description="Keys of nodes. FOLDER holds node.key (secret: never carry it elsewhere), node.card (public) and "
        "the cards of the nodes that are believed. A process that runs sees changes by itself.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = keys.add_subparsers(dest="action", required=True, metavar="make | enrol | revoke | rotate | list")
    made = _action(actions, "make", "make keys of a node that has none")
    made.add_argument("--node", type=int, required=True, metavar="ID", help="number of the node, 1 to 65535")
    enrolled = _action(actions, "enrol", "believe nodes from now on, or renew their cards")
    enrolled.add_argument("cards", type=Path, nargs="+", metavar="CARD", help="node.card of the other node")
    revoked = _action(actions, "revoke", "believe a node no more")
    revoked.add_argument("--node", type=int, required=True, metavar="ID", help="number of the node")
    _action(actions, "rotate", "make the next epoch of keys of this node; the last ones stay good for a while")
    _action(actions, "list", "list this node and those that it believes")


def _action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of keys of this node")
    return parser


def run_keys(options: argparse.Namespace) -> int:
    """Run the command; returns its exit status, 2 if it could not be done."""
    try:
        _ACTIONS[options.action](options)
    except ConfigError as error:
        print(f"lookdown-wire: {error}", file=sys.stderr)
        return 2
    return 0


def _make(options: argparse.Namespace) -> None:
    if (options.folder / "node.key").exists():
        raise ConfigError(f"{options.folder}: it holds keys already; rotate them, or choose another folder")
    try:
        keys = NodeKeys.make(options.node, SystemClock().now_ns())
    except ValueError as error:
        raise ConfigError(f"--{error}") from None
    keys.save(options.folder)
    print(f"made keys of {_line(keys.card)}; enrol {options.folder / 'node.card'} where the node shall be believed")


def _enrol(options: argparse.Namespace) -> None:
    own = NodeKeys.load(options.folder).card
    for path in options.cards:
        card = parse_card(path.read_text(encoding="utf-8"), str(path))
        if card.node_id == own.node_id:
            raise ConfigError(f"{path}: it is a card of node {own.node_id}, the number of this node; wanted another's")
        print(f"{enrol(options.folder, card)} {_line(card)}")


def _revoke(options: argparse.Namespace) -> None:
    print(f"revoked {_line(revoke(options.folder, options.node))}; it needs keys made anew to come back")


def _rotate(options: argparse.Namespace) -> None:
    keys = NodeKeys.load(options.folder).rotated(SystemClock().now_ns())
    keys.save(options.folder)
    print(
        f"rotated {_line(keys.card)}; enrol {options.folder / 'node.card'} again where the node is believed: "
        "there its next connection is refused until then, and what it holds waits"
    )


def _list(options: argparse.Namespace) -> None:
    print(f"this {_line(NodeKeys.load(options.folder).card)}")
    for card in sorted(Keyring.load(options.folder).cards, key=lambda card: card.node_id):
        print(f"     {_line(card)}")
    for path in sorted((options.folder / "revoked").glob("*.card")):
        print(f"     revoked: {path.stem}")


def _line(card: Card) -> str:
    made_s = max(card.newest.made_ns // NS_PER_S - TAI_MINUS_UTC_S, 0)
    when = datetime.fromtimestamp(made_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"node {card.node_id}, identity {card.fingerprint}, epoch {card.newest.number} of {when}"


_ACTIONS = {"make": _make, "enrol": _enrol, "revoke": _revoke, "rotate": _rotate, "list": _list}

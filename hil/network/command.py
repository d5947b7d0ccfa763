"""The commands ``lookdown-hil contacts`` and ``lookdown-hil network``."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add both commands."""
    from lookdown.hil.network.day import DayPlan

    plan = DayPlan()
    contacts = commands.add_parser(
        "contacts",
        help="plan the contacts of a constellation and ground stations",
        description="Compute who sees whom above the Earth's limb, with four links a satellite, and write the contact "
        "plan that lookdown-relay reads. Satellites are nodes 1, 2, ...; stations follow from 901 on.",
        epilog="example: lookdown-hil contacts --out plan.txt --hours 2",
    )
    contacts.add_argument("--out", type=Path, metavar="FILE", required=True, help="contact plan to write")
    network = commands.add_parser(
        "network",
        help="a day of the relay network, event by event: delivery, delay, storage",
        description="Run the relays of lookdown-relay over a day of contacts with simulated links: satellites send to "
        "the ground, some die for half an hour. Writes plan.txt, network.json and network.png into DIR.",
        epilog="example: lookdown-hil network --out build/network --range-km 1500",
    )
    network.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder to write to")
    for parser in (contacts, network):
        parser.add_argument("--walker", default=plan.walker, metavar="i:T/P/F", help=f"default: {plan.walker}")
        for name, value, what in (
            ("altitude-km", plan.altitude_m / 1000, "altitude of the satellites"),
            ("range-km", plan.max_range_m / 1000, "longest link between satellites"),
            ("ground-kbit", plan.ground_bits_per_s / 1000, "rate of a link to the ground, in kbit/s"),
            ("hours", plan.hours, "length of the plan"),
        ):
            parser.add_argument(
                f"--{name}", type=float, default=value, metavar="N", help=f"{what} (default: {value:g})"
            )
    lives = f"when a message expires (default: {plan.lifetime_s:g})"
    network.add_argument("--lifetime", type=float, default=plan.lifetime_s, metavar="S", help=lives)
    for name, what in (
        ("messages", "messages, each from a random satellite to a random station"),
        ("octets", "size of a message"),
        ("deaths", "satellites that die, each for half an hour"),
        ("seed", "of all that is random"),
    ):
        default = getattr(plan, name)
        network.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: {default})")


@contextmanager
def _shown(title: str) -> Iterator[Any]:
    """Show progress on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def run_contacts(options: argparse.Namespace) -> int:
    """Plan the contacts of a constellation."""
    from lookdown.hil.network.day import contacts_of
    from lookdown.wire.relay.plan import write_plan

    with _shown("contacts") as show:
        contacts = contacts_of(_plan(options), show)
    write_plan(options.out, contacts, [f"{options.walker} at {options.altitude_km:g} km, {options.hours:g} h"])
    print(f"contacts: {options.out} ({len(contacts)})")
    return 0


def run_network(options: argparse.Namespace) -> int:
    """Run a day of the relay network."""
    from lookdown.hil.network.day import contacts_of, run_day
    from lookdown.hil.network.picture import write_day

    given = {name: getattr(options, name) for name in ("messages", "octets", "deaths", "seed")}
    plan = _plan(options, lifetime_s=options.lifetime, **given)
    options.out.mkdir(parents=True, exist_ok=True)
    with _shown("contacts") as show:
        contacts = contacts_of(plan, show)
    with _shown("relays") as show:
        result = run_day(plan, contacts, show)
    write_day(options.out, plan, contacts, result)
    figures = result.figures
    sent, delay, stored = figures["messages"], figures["delay_s"], figures["storage_octets"]
    print(f"{figures['nodes']} nodes, {figures['contacts']} contacts, {plan.hours:g} h")
    print(
        f"{sent['delivered']} of {sent['sent']} messages delivered ({sent['delivered twice']} twice), "
        f"{figures['relays']['dropped']} dropped, {figures['relays']['expired']} expired, "
        f"{sent['held at the end']} held at the end, {sent['hops']:.1f} hops each"
    )
    if delay:
        print(f"delay: {delay['p50']:.3g} s median, {delay['p99']:.3g} s 99 %, {delay['p100']:.3g} s longest")
    print(
        f"stored: {stored['all nodes, most'] / 1024:.0f} KiB by all, {stored['one node, most'] / 1024:.0f} KiB by one"
    )
    print(f"picture: {options.out / 'network.png'}")
    return 0


def _plan(options: argparse.Namespace, **more: Any) -> Any:
    from lookdown.hil.network.day import DayPlan

    return DayPlan(
        walker=options.walker,
        altitude_m=1000 * options.altitude_km,
        hours=options.hours,
        ground_bits_per_s=round(1000 * options.ground_kbit),
        max_range_m=1000 * options.range_km,
        **more,
    )

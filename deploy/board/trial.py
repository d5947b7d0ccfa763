"""Tries the bundle on an emulated machine: ``make machine``.

Makes the machine (Debian for arm64 under QEMU; kept for the next time), installs the bundle of ``make board`` on it
with its installer, sees that systemd starts the service, drives that service with the rig over the machine's network,
holds what it sent against this build on this machine, and sees that the service comes back after a reboot.
"""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

from deploy.board import image
from deploy.board.machine import Machine
from deploy.board.process import StepError, call, step
from deploy.board.sysroot import SYSTEMS

SOURCE = Path(__file__).resolve().parents[2]
BOARD = SOURCE / "build" / "board"
OUT = SOURCE / "build" / "machine"
SCENARIO = SOURCE / "tests" / "hil" / "faults.toml"
RIG = SOURCE / "config" / "rig" / "machine.toml"
PORT = 2222
PACE = "0.25"
"""Scenario seconds in a second: an emulated processor is some twenty times slower."""

_INSTALL_S = 3600.0
SERVICE = "lookdown-flight.service"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make machine", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, metavar="TAR.gz", help="bundle to try (default: that of make board)")
    parser.add_argument("--fresh", action="store_true", help="make the machine's disk anew")
    parser.add_argument("--keep", action="store_true", help="install, then let the machine run until Ctrl-C")
    parser.add_argument(
        "--cpu", default="cortex-a72", metavar="NAME", help="processor, as QEMU calls it (default: Pi 4)"
    )
    return parser


def find_bundle(given: Path | None) -> Path:
    """Return the bundle to try.

    Raises
    ------
    StepError
        There is none.
    """
    if given is not None:
        if not given.is_file():
            raise StepError(f"{given}: no such file")
        return given
    found = sorted(BOARD.glob("lookdown-board-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise StepError(f'{BOARD} holds no bundle; make one with: make board BOARD="--no-tests"')
    return found[-1]


def install(machine: Machine, bundle: Path) -> None:
    """Install the bundle with its installer, and see that its service runs.

    Raises
    ------
    StepError
        When the installer refuses, or the service does not run.
    """
    name = bundle.name.removesuffix(".tar.gz")
    machine.copy(bundle, bundle.parent / "signing-key.pub.pem")
    machine.run("tar", "xzf", bundle.name)
    installer = f'"$HOME/{name}/install.sh" --key "$HOME/signing-key.pub.pem"'
    said = machine.run("sh", "-c", installer, patience_s=_INSTALL_S)
    for line in said.stdout.strip().splitlines():
        print(f"   {line}")
    machine.run("rm", "-r", name, bundle.name)
    check_service(machine)
    machine.run("sh", "-c", "cd /etc/lookdown && sha256sum --quiet --strict -c flight.toml.sha256")


def check_service(machine: Machine) -> None:
    """See that systemd has started the service, and that it told systemd that it is ready.

    Raises
    ------
    StepError
        When it does not run; the text holds what its journal says.
    """
    done = machine.run("systemctl", "is-active", "--wait", SERVICE, check=False)
    if done.stdout.strip() != "active":
        told = machine.run("journalctl", "-u", SERVICE, "-n", "12", "-o", "cat", "--no-pager", check=False).stdout
        raise StepError(f"{SERVICE} is {done.stdout.strip() or done.stderr.strip()}; its journal:\n  {told}")
    asked = machine.run("systemctl", "show", "-p", "User,NRestarts,StatusText,WatchdogUSec", SERVICE)
    print(f"   {SERVICE} is active: {', '.join(asked.stdout.split())}")


def drive() -> None:
    """Drive the service with the rig, and hold its plot packets against those of this build.

    Raises
    ------
    StepError
        When a requirement fails, or a plot differs by more than the tolerance.
    """
    hil = [sys.executable, "-m", "lookdown.hil"]
    log = BOARD / "machine" / "log"
    run = [*hil, "rig", str(RIG), str(SCENARIO), "--out", str(OUT), "--pace", PACE]
    print("   " + call(run, log / "rig.log", cwd=SOURCE).strip().splitlines()[-1])
    print(
        "   " + "\n   ".join(call([*hil, "replay", str(OUT)], log / "replay.log", cwd=SOURCE).strip().splitlines()[-3:])
    )


def trial(options: argparse.Namespace) -> None:
    """Go through all steps.

    Raises
    ------
    StepError
        When one fails.
    """
    bundle, folder = find_bundle(options.bundle), BOARD / "machine"
    if options.fresh:
        image.forget(folder)
    with step("the machine's disk, from packages of Debian (kept)"):
        disk = image.make(SYSTEMS[0], folder)
    if not disk.ready:
        first = Machine(disk, PORT, folder / "log" / "first-start.log", options.cpu)
        with step("its first start, in which it sets itself up (once; some minutes)"), first:
            first.set_up(lambda done, total: print(f"   {done} of {total} packages", flush=True))
    with Machine(disk, PORT, folder / "log" / "console.log", options.cpu) as machine:
        with step(f"start of an emulated {options.cpu}, {SYSTEMS[0].suite}"):
            machine.boot()
        with step(f"{bundle.name}, installed"):
            install(machine, bundle)
        if options.keep:
            wait_for_ctrl_c()
            return
        with step(f"every fault of the table, by the rig: {OUT / 'report.html'}"):
            drive()
        with step("reboot"):
            machine.reboot()
            check_service(machine)


def wait_for_ctrl_c() -> None:
    """Say how to use the machine, and wait."""
    print(
        f"the machine runs until Ctrl-C; drive it with:\n  .venv/bin/lookdown-hil rig {RIG.relative_to(SOURCE)} "
        f"{SCENARIO.relative_to(SOURCE)} --out build/machine --pace {PACE}",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def main(argv: list[str] | None = None) -> int:
    """Run the command; 1 when a step fails."""
    options = _parser().parse_args(argv)
    try:
        trial(options)
    except StepError as error:
        print(f"make machine: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

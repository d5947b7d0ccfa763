"""Tries the bundle on an emulated machine: ``make machine``.

Makes the machine (Debian for arm64 under QEMU), installs the bundle of ``make board`` on it with its installer, starts
it anew, sees that systemd starts the service and that its watchdog works, drives that service with the rig over the
machine's network, and holds what it sent against this build on this machine. The disk is kept as it was set up, and as
it was with this bundle installed: the next run goes on from there.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from deploy.board import image
from deploy.board.machine import Machine
from deploy.board.process import StepError, call, step
from deploy.board.sysroot import SYSTEMS

SOURCE = Path(__file__).resolve().parents[2]
BOARD = SOURCE / "build" / "board"
OUT = SOURCE / "build" / "machine"
SCENARIO = SOURCE / "tests" / "hil" / "faults.toml"
SHORT, _RESET_FRAME = SOURCE / "tests" / "hil" / "small.toml", 30
RIG = SOURCE / "config" / "rig" / "machine.toml"
PORT = 2222
PACE = "0.25"
"""Scenario seconds in a second: an emulated processor is some twenty times slower."""

ACROSS = "--position-px", "0.03", "--pixels", "1"
"""Tolerances between processors: a step of what a packet rounds to in each axis; a pixel at the threshold. SNR and
amplitude, flags, number of plots and tracks as between builds of one processor."""

_INSTALL_S, _START_S, _RIG_S = 3600.0, 600.0, 5400.0
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
    """Install the bundle with its installer, as a user would, and see that its service runs.

    Raises
    ------
    StepError
        When the installer refuses, or the service does not run.
    """
    name = bundle.name.removesuffix(".tar.gz")
    machine.copy(bundle, bundle.parent / "signing-key.pub.pem")
    machine.run("tar", "xzf", bundle.name)
    installer = f'"$HOME/{name}/install.sh" --key "$HOME/signing-key.pub.pem"'
    machine.show(installer, patience_s=_INSTALL_S)
    machine.run("rm", "-r", name, bundle.name)
    check_service(machine)
    machine.run("sh", "-c", "cd /etc/lookdown && sha256sum --quiet --strict -c flight.toml.sha256")


def state_of(machine: Machine) -> dict[str, str]:
    """Ask systemd how the service is."""
    asked = "ActiveState,MainPID,NRestarts,User,StatusText,WatchdogUSec,Result"
    asked += ",ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
    said = machine.run("systemctl", "show", "-p", asked, SERVICE).stdout
    return dict(line.partition("=")[::2] for line in said.splitlines())


def check_service(machine: Machine, restarts: int = 0) -> None:
    """Wait until the service has told systemd that it takes frames.

    Parameters
    ----------
    machine : Machine
    restarts : int
        How often systemd must have started it anew.

    Raises
    ------
    StepError
        When it does not run; the text holds what its journal says.
    """
    end_s = time.monotonic() + _START_S
    while (state := state_of(machine))["ActiveState"] != "active" or int(state["NRestarts"]) < restarts:
        if state["ActiveState"] == "failed" or time.monotonic() > end_s:
            told = machine.run("journalctl", "-u", SERVICE, "-n", "12", "-o", "cat", "--no-pager", check=False).stdout
            raise StepError(f"{SERVICE} is {state['ActiveState']} ({state['Result']}); its journal:\n  {told}")
        time.sleep(1.0)
    took_us = int(state["ActiveEnterTimestampMonotonic"]) - int(state["ExecMainStartTimestampMonotonic"])
    print(
        f"   {SERVICE} is active as {state['User']} {1e-6 * took_us:.0f} s after its start, "
        f"started anew {state['NRestarts']} times, watchdog {state['WatchdogUSec']}: {state['StatusText']}",
        flush=True,
    )


def try_watchdog(machine: Machine) -> None:
    """Stop the process and see that systemd's watchdog starts it anew.

    Raises
    ------
    StepError
        When it does not.
    """
    restarts = int(state_of(machine)["NRestarts"])
    machine.run("systemctl", "kill", "--kill-who=main", "-s", "STOP", SERVICE)
    check_service(machine, restarts + 1)
    told = machine.run("journalctl", "-u", SERVICE, "-b", "-o", "cat", "--no-pager").stdout
    if "Watchdog timeout" not in told:
        raise StepError(f"{SERVICE} was started anew, but not by the watchdog; its journal:\n  {told[-2000:]}")


def rig_command(scenario: Path, out: Path) -> list[str]:
    """Return the command that drives the machine with a scenario."""
    hil = [sys.executable, "-m", "lookdown.hil"]
    return [*hil, "rig", str(RIG), str(scenario), "--out", str(out), "--pace", PACE]


def drive_through_a_reset(machine: Machine) -> None:
    """Let the machine start anew in the midst of a run of the rig, and see that the report says what was not tested.

    Raises
    ------
    StepError
        When the run does not go on, a requirement fails, or the report names no incident.
    """
    out = OUT.with_name("machine-reset")
    journal, command = out / "run" / "journal.jsonl", rig_command(SHORT, out)
    journal.unlink(missing_ok=True)
    with subprocess.Popen(command, cwd=SOURCE) as rig:
        try:
            end_s = time.monotonic() + _RIG_S
            while not (journal.exists() and f'"given": {_RESET_FRAME},' in journal.read_text()):
                if rig.poll() is not None or time.monotonic() > end_s:
                    raise StepError(f"the rig did not get to frame {_RESET_FRAME}; see {out / 'report.html'}")
                time.sleep(0.2)
            machine.reset()
            status = rig.wait(_RIG_S)
        except subprocess.TimeoutExpired:
            raise StepError(f"the rig takes longer than {_RIG_S:.0f} s; see {out / 'logs'}") from None
        finally:
            rig.terminate()
    report = json.loads((out / "report.json").read_text())
    if status or not report["incidents"]:
        raise StepError(
            f"the rig ended with status {status} and {len(report['incidents'])} incidents; see {out / 'report.html'}"
        )
    verdicts = [one["verdict"] for one in report["requirements"]]
    print(f"   {'; '.join(report['incidents'])}; {verdicts.count('not tested')} requirements not tested", flush=True)


def drive() -> None:
    """Drive the service with the rig, and hold its plot packets against those of this build.

    Raises
    ------
    StepError
        When a requirement fails, or a plot differs by more than the tolerance.
    """
    try:
        done = subprocess.run(rig_command(SCENARIO, OUT), cwd=SOURCE, check=False, timeout=_RIG_S)
    except subprocess.TimeoutExpired:
        raise StepError(f"the rig takes longer than {_RIG_S:.0f} s; see {OUT / 'logs'}") from None
    if done.returncode:
        raise StepError(f"the rig ended with status {done.returncode}; see {OUT / 'report.html'}")
    again = [sys.executable, "-m", "lookdown.hil", "replay", str(OUT), *ACROSS]
    replay = call(again, BOARD / "machine" / "log" / "replay.log", cwd=SOURCE, patience_s=_RIG_S)
    print("   replayed on this machine: " + "\n   ".join(replay.strip().splitlines()[-3:]), flush=True)


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
        first = Machine(disk, PORT, folder / "log" / "first-start.log", options.cpu, keeps=True)
        with step("its first start, in which it sets itself up (kept; some minutes)"), first:
            first.set_up(lambda done, total: print(f"   {done} of {total} packages", flush=True))
    copy = image.for_bundle(disk, bundle)
    if not copy.ready:
        with Machine(copy, PORT, folder / "log" / "install.log", options.cpu, keeps=True) as machine:
            with step(f"start of an emulated {options.cpu}, {SYSTEMS[0].suite}"):
                machine.boot()
            with step(f"{bundle.name}, installed (kept)"):
                install(machine, bundle)
                machine.turn_off()
                copy.mark_ready()
    with Machine(copy, PORT, folder / "log" / "console.log", options.cpu) as machine:
        with step(f"start of the machine with {bundle.name}; systemd starts the service"):
            machine.boot()
            check_service(machine)
        if options.keep:
            wait_for_ctrl_c()
            return
        with step("the machine is reset in the midst of a run"):
            drive_through_a_reset(machine)
        with step("its process stands still: the watchdog starts it anew"):
            try_watchdog(machine)
        with step(f"every fault of the table, by the rig: {OUT / 'report.html'}"):
            drive()
        with step("after the rig the service is as it was installed"):
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
    # The machine must not outlive its trial.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        trial(options)
    except StepError as error:
        print(f"make machine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make machine: stopped; the next run goes on from what is kept", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

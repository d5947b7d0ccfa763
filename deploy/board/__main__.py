"""Makes the bundle for a board: ``make board``.

Fetches the board's Python, cross-compiles, fetches the dependencies' wheels, runs the tests under emulation, packs and
signs. What is there from an earlier run is kept, so that an interrupted one goes on where it stopped.
"""

import argparse
import sys
from pathlib import Path

from deploy.board import bundle, emulate, tested, wheels
from deploy.board.process import StepError, step
from deploy.board.sysroot import SYSTEMS, System, fetch
from tests.bench.mca import LOOPS

SOURCE = Path(__file__).resolve().parents[2]
FOLDER = SOURCE / "build" / "board"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make board", description=__doc__.splitlines()[0])
    parser.add_argument("--key", type=Path, metavar="PRIVATE.pem", help="Ed25519 key to sign with (default: made here)")
    parser.add_argument("--no-tests", action="store_true", help="compare results, but run no tests under emulation")
    return parser


def make(key: Path | None, run_tests: bool) -> Path:
    """Make the bundle and return its archive.

    Raises
    ------
    StepError
        When a step fails.
    """
    roots: dict[System, Path] = {}
    for system in SYSTEMS:
        with step(f"Python {system.python} of {system.suite} for arm64"):
            roots[system] = fetch(system, system.packages, FOLDER / "sysroot" / system.suite)
    wheelhouse = FOLDER / "wheelhouse"
    with step("wheels of the dependencies"):
        for system in SYSTEMS:
            log = FOLDER / "log" / f"fetch-{system.python}.log"
            wheels.fetch([*wheels.requirements(SOURCE), "pip"], system.python, wheelhouse, log)
    vectors = {loop.module for loop in LOOPS if loop.vector}
    builds = {}
    for target in wheels.TARGETS:
        with step(f"lookdown for aarch64, {target}"):
            builds[target] = wheels.build(target, roots[SYSTEMS[0]], SYSTEMS[0], SOURCE, FOLDER)
            scalar = wheels.without_vectors(builds[target], vectors, FOLDER / "objects")
            if scalar:
                raise StepError(f"{target}: no NEON arithmetic in {', '.join(scalar)}")
            print(f"   NEON in all of {len(vectors)} modules: {', '.join(sorted(vectors))}")
    boards = {}
    with step("every kernel and the chains on this machine, to compare with"):
        emulate.reckon_here(SOURCE, FOLDER)
    for target, wheel in builds.items():
        for system in SYSTEMS:
            with step(f"results on an emulated {emulate.PROCESSORS[target]}, Python {system.python}, {target} build"):
                board = emulate.install(target, wheel, system, roots[system], wheelhouse, FOLDER)
                print(f"   {emulate.compare(board, SOURCE, FOLDER)}")
                boards[board.name] = board
    if run_tests:
        boards_tested = [boards[f"portable-{system.python}"] for system in SYSTEMS]
        names = " and ".join(board.name for board in boards_tested)
        with step(f"tests of kernels and flight, emulated, {names}"):
            for said in tested.test(boards_tested, SOURCE, FOLDER):
                print(f"   {said}")
    with step("the bundle"):
        name = f"lookdown-board-{builds['portable'].name.split('-')[1]}"
        return bundle.pack(
            builds, wheelhouse, SOURCE / "config" / "flight.toml", key or bundle.signing_key(FOLDER), FOLDER, name
        )


def main(argv: list[str] | None = None) -> int:
    """Run the command; 1 when a step fails."""
    options = _parser().parse_args(argv)
    try:
        archive = make(options.key, run_tests=not options.no_tests)
    except StepError as error:
        print(f"make board: {error}", file=sys.stderr)
        return 1
    print(
        f"{archive} ({archive.stat().st_size / 1e6:.0f} MB); on the board:\n"
        f"  tar xzf {archive.name}\n"
        f"  sudo ./{archive.name.removesuffix('.tar.gz')}/install.sh --key signing-key.pub.pem\n"
        f"{FOLDER / 'signing-key.pub.pem'} is the key to trust; docs/board.md tells the way."
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The tests of the kernels and of flight on emulated boards, in parts: side by side, each with a patience of its own.

A part that has passed is kept, keyed to the build and the sources of the tests, so that a run that was interrupted
goes on where it stopped. What each test said lies in ``log/tests-BOARD.xml`` (JUnit), for a report or a person.
"""

import hashlib
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from deploy.board.emulate import Emulated
from deploy.board.process import StepError, call

FOLDERS = "tests/kernels", "tests/flight"

NOT_EMULATED = {
    "tests/kernels/test_dispatch.py": "compiles for this machine",
    "tests/kernels/test_instructions.py": "counts under callgrind",
    "tests/kernels/test_neon.py": "cross-compiles",
    "tests/kernels/test_room.py": "looks at sources alone",
    "tests/kernels/test_thresholds.py": "formulas by SciPy, no compiled code of ours",
    "tests/kernels/test_unscented.py": "beside Stone Soup, which is not on a board",
    "tests/flight/test_robust.py": "minutes of statistics, no code that others do not run",
    "tests/flight/test_clips.py::test_a_clip_takes_a_third_of_the_time_in_which_it_was_filmed": "looks at the clock",
    "tests/flight/radar/test_detection.py::test_spiky_clutter_gives_the_wanted_rate_with_k": "statistics, as above",
    "tests/flight/radar/test_detection.py::test_targets_do_not_make_noise_look_spiky": "statistics, as above",
}
"""Files of tests, or single tests, that are left out on an emulated board, and why."""

_SIMULATOR = "lookdown.hil", "tests.flight.radar.intervals"
"""Who names one of these takes his frames from the simulator, which is not on a board. What the radar chain makes of
simulated intervals is compared all the same: `tests.board.results` carries them over."""

_PARTS = 16
_PATIENCE_S = 3600.0


@dataclass(frozen=True)
class Part:
    """Some files of tests on one board.

    Attributes
    ----------
    board : Emulated
        Where they run.
    number : int
        Which of the board's parts.
    files : tuple of str
        Below the checkout.
    key : str
        Changes with the build and the tests.
    """

    board: Emulated
    number: int
    files: tuple[str, ...]
    key: str


def files_of_tests(source: Path) -> list[str]:
    """List the files of tests that run on a board, the largest first."""
    found = [path for folder in FOLDERS for path in (source / folder).rglob("test_*.py")]
    sizes = {
        path.relative_to(source).as_posix(): path.stat().st_size
        for path in found
        if not any(name in path.read_text() for name in _SIMULATOR)
    }
    return sorted(sizes.keys() - NOT_EMULATED.keys(), key=lambda name: (-sizes[name], name))


def parts(boards: Iterable[Emulated], source: Path) -> list[Part]:
    """Deal the tests out, those of one board after those of the other."""
    files = files_of_tests(source)
    digest = hashlib.sha256()
    for path in sorted((source / "tests").rglob("*.py")):
        if path.relative_to(source).parts[1] in ("kernels", "flight", "bench", "conftest.py"):
            digest.update(path.read_bytes())
    found = []
    for board in boards:
        key = hashlib.sha256(digest.digest() + board.build.encode()).hexdigest()
        found += [Part(board, k, tuple(files[k::_PARTS]), key) for k in range(_PARTS)]
    return found


def _run(part: Part, source: Path, folder: Path) -> tuple[Path, bool]:
    """Run a part, or take what it left; its results, and whether they are of an earlier run."""
    stem = folder / "log" / "tests" / f"{part.board.name}-{part.number}"
    results, passed = stem.with_name(f"{stem.name}.xml"), stem.with_name(f"{stem.name}.passed")
    if passed.exists() and passed.read_text() == part.key:
        return results, True
    passed.unlink(missing_ok=True)
    pytest = ["-u", "-m", "pytest", "-q", "-m", "not proof", "-p", "no:cacheprovider", "--timeout=1800"]
    out = [f"--deselect={name}" for name in NOT_EMULATED if name.partition("::")[0] in part.files]
    command = [str(part.board.command), *pytest, *out, f"--junit-xml={results}", *part.files]
    call(command, stem.with_name(f"{stem.name}.log"), cwd=source, patience_s=_PATIENCE_S)
    passed.write_text(part.key)
    return results, False


def counts(results: Iterable[Path]) -> dict[str, int]:
    """Add up what results in JUnit XML say: tests ``passed``, ``failed`` and ``skipped``."""
    found = {"passed": 0, "failed": 0, "skipped": 0}
    for path in results:
        for case in ElementTree.parse(path).iter("testcase"):
            bad = case.find("failure") is not None or case.find("error") is not None
            found["failed" if bad else "skipped" if case.find("skipped") is not None else "passed"] += 1
    return found


def _merge(results: list[Path], out: Path) -> None:
    """Put the results of a board's parts into one file."""
    root = ElementTree.Element("testsuites")
    for path in results:
        root.extend(ElementTree.parse(path).getroot().iter("testsuite"))
    ElementTree.ElementTree(root).write(out, encoding="utf-8", xml_declaration=True)


def test(boards: list[Emulated], source: Path, folder: Path) -> list[str]:
    """Run the tests of the kernels and of flight on emulated boards; a line a board of what came of them.

    Parameters
    ----------
    boards : list of Emulated
    source, folder : pathlib.Path
        The checkout, and where everything is laid.

    Raises
    ------
    StepError
        When a test fails or a part takes too long; all other parts have run, and those that passed are kept.
    """
    todo = parts(boards, source)
    results: dict[str, list[Path]] = {board.name: [] for board in boards}
    failed = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = {pool.submit(_run, part, source, folder): part for part in todo}
        for done, future in enumerate(as_completed(waiting), 1):
            part = waiting[future]
            try:
                path, kept = future.result()
            except StepError as error:
                failed.append(str(error))
                print(f"   {done} of {len(todo)}: {part.board.name}, part {part.number}: FAILED", flush=True)
                continue
            results[part.board.name].append(path)
            said = ", ".join(f"{n} {what}" for what, n in counts([path]).items() if n)
            print(f"   {done} of {len(todo)}: {part.board.name}: {said}{' (kept)' if kept else ''}", flush=True)
    for name, paths in results.items():
        _merge(sorted(paths), folder / "log" / f"tests-{name}.xml")
    if failed:
        raise StepError(f"{len(failed)} of {len(todo)} parts failed:\n" + "\n".join(failed))
    return [
        f"{name}: " + ", ".join(f"{n} {what}" for what, n in counts(paths).items()) for name, paths in results.items()
    ]

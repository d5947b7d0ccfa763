"""What tests said, beside what the board did: results in JUnit XML as a section of the report and a requirement."""

import html
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lookdown.hil.markup import Right, mono, table
from lookdown.hil.requirements import Judged, Requirement, Verdict
from lookdown.wire.errors import ConfigError

_SHOWN = 20


@dataclass
class Tested:
    """The tests of one module.

    Attributes
    ----------
    passed, failed, skipped : int
        How many.
    seconds : float
        Time they took [s].
    failures : list of str
        Names of those that failed.
    verdicts : dict of str to set of str
        ``pass``, ``fail`` and ``not tested`` as they came, by the name of a test without its parameters.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    verdicts: dict[str, set[Verdict]] = field(default_factory=dict)

    def take(self, name: str, verdict: Verdict) -> None:
        """Take note of a test."""
        self.verdicts.setdefault(name.partition("[")[0], set()).add(verdict)
        if verdict == "fail":
            self.failed += 1
            self.failures.append(name)
        elif verdict == "pass":
            self.passed += 1
        else:
            self.skipped += 1


def read_tests(paths: Sequence[Path]) -> dict[str, Tested]:
    """Read results of tests, by module.

    Raises
    ------
    ConfigError
        A file is no JUnit XML, or holds no test.
    """
    found: dict[str, Tested] = {}
    for path in paths:
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            raise ConfigError(f"{path}: wanted results of tests as JUnit XML, came none ({error}); run pytest "
                              f"--junit-xml={path}") from None  # fmt: skip
        if not cases:
            raise ConfigError(f"{path}: wanted results of tests, came a file without any")
        for case in cases:
            of = found.setdefault(case.get("classname", ""), Tested())
            of.seconds += float(case.get("time", 0.0))
            bad = case.find("failure") is not None or case.find("error") is not None
            of.take(
                case.get("name", ""), "fail" if bad else "not tested" if case.find("skipped") is not None else "pass"
            )
    return found


def judge_tests(found: dict[str, Tested]) -> Judged:
    """Hold the results against what is wanted: none fails."""
    failed = sum(of.failed for of in found.values())
    verdict: Verdict = "fail" if failed else "pass"
    passed, skipped = (sum(getattr(of, name) for of in found.values()) for name in ("passed", "skipped"))
    names = [f"{module}: {name}" for module, of in found.items() for name in of.failures]
    evidence = f"{passed} passed, {skipped} skipped" + ("; failed: " + ", ".join(names[:3]) if names else "")
    asked = Requirement("TESTS-1", "No test of this build fails.", "tests.failed", "==", 0)
    return Judged(asked, verdict, float(failed), evidence)


def tests_section(found: dict[str, Tested]) -> str:
    """Return the section of the page, HTML."""
    rows = []
    for module, of in sorted(found.items()):
        kind = "fail" if of.failed else "pass" if of.passed else "open"
        said = {"fail": "fail", "pass": "pass", "open": "skipped"}[kind]
        names = f'<br><span class="soft">{html.escape(", ".join(of.failures[:_SHOWN]))}</span>' if of.failures else ""
        rows.append([mono(module) + names, *(Right(str(n)) for n in (of.passed, of.failed, of.skipped)),
                     Right(f"{of.seconds:.1f} s"), f'<span class="verdict {kind}">{said}</span>'])  # fmt: skip
    head = ("module", *map(Right, ("passed", "failed", "skipped", "time")), "verdict")
    return (
        '<section class="long"><h2>Tests</h2><p class="say">Tests of this build that were handed to the rig.</p>'
        f"{table(head, rows)}</section>"
    )

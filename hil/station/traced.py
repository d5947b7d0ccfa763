"""Requirements on the build, each held by single tests: a table that names them, judged from results of tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookdown.hil.requirements import Judged, Requirement, Verdict
from lookdown.hil.station.tests_table import Tested
from lookdown.wire.config import load_config
from lookdown.wire.errors import ConfigError

_SHOWN = 3


@dataclass(frozen=True)
class Traced:
    """A requirement and the tests that hold it.

    Attributes
    ----------
    id, text : str
        Short, stable name, and the requirement as a sentence.
    tests : tuple of str
        As pytest names them, without parameters: ``tests/board/test_bundle.py::test_another_machine_is_refused``.
    """

    id: str
    text: str
    tests: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a requirement that no test holds."""
        if not self.tests or any(".py::" not in test for test in self.tests):
            raise ValueError(f"tests: wanted names such as tests/x/test_y.py::test_z, got {self.tests!r}")


@dataclass(frozen=True)
class Traces:
    """A file of such requirements.

    Attributes
    ----------
    requirement : tuple of Traced
        In the order of the report.
    """

    requirement: tuple[Traced, ...] = ()


def read_traces(path: Path) -> tuple[Traced, ...]:
    """Read requirements and their tests.

    Raises
    ------
    ConfigError
        The file cannot be used, or two requirements have one id.
    """
    found = load_config(path, Traces).requirement
    ids = [one.id for one in found]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise ConfigError(f"{path}: two requirements have the id {twice[0]!r}; give each its own")
    return found


def judge_traces(traces: Sequence[Traced], tested: Mapping[str, Tested]) -> list[Judged]:
    """Judge each requirement by its tests: fail where one failed, not tested where one did not run, else pass."""
    return [_judge(one, tested) for one in traces]


def _judge(traced: Traced, tested: Mapping[str, Tested]) -> Judged:
    verdicts = {test: _verdict(test, tested) for test in traced.tests}
    failed = [test for test, verdict in verdicts.items() if verdict == "fail"]
    open_ones = [test for test, verdict in verdicts.items() if verdict == "not tested"]
    asked = Requirement(traced.id, traced.text, "tests.failed", "==", 0)
    if failed:
        return Judged(asked, "fail", float(len(failed)), f"failed: {_some(failed)}", traced.tests)
    if open_ones:
        return Judged(asked, "not tested", None, f"did not run: {_some(open_ones)}", traced.tests)
    return Judged(asked, "pass", 0.0, f"{len(verdicts)} of {len(verdicts)} tests passed", traced.tests)


def _verdict(test: str, tested: Mapping[str, Tested]) -> Verdict:
    path, _, name = test.partition("::")
    module = tested.get(path.removesuffix(".py").replace("/", "."))
    came = module.verdicts.get(name, set()) if module else set()
    return "fail" if "fail" in came else "pass" if came == {"pass"} else "not tested"


def _some(tests: list[str]) -> str:
    return ", ".join(tests[:_SHOWN]) + (" ..." if len(tests) > _SHOWN else "")

"""Requirements that single tests hold: the table names tests that are there, and each verdict follows from theirs."""

import ast
from pathlib import Path

import pytest

from lookdown.hil.requirements import junit_xml
from lookdown.hil.station.tests_table import read_tests
from lookdown.hil.station.traced import Traced, judge_traces, read_traces
from lookdown.wire.errors import ConfigError

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "config" / "requirements.toml"


def test_every_test_of_the_table_is_there() -> None:
    for one in read_traces(TABLE):
        for test in one.tests:
            path, _, name = test.partition("::")
            functions = {node.name for node in ast.parse((ROOT / path).read_text()).body if hasattr(node, "name")}
            assert name in functions, f"{one.id}: {test}"


@pytest.mark.parametrize(
    ("tests", "verdict", "evidence"),
    [
        (("good", "each"), "pass", "2 of 2 tests passed"),
        (("good", "bad"), "fail", "failed: tests/a.py::bad"),
        (("good", "gone"), "not tested", "did not run: tests/a.py::gone"),
        (("good", "absent"), "not tested", "did not run: tests/a.py::absent"),
        (("absent", "bad"), "fail", "failed: tests/a.py::bad"),
        (("some",), "fail", "failed: tests/a.py::some"),
    ],
)
def test_a_verdict_follows_from_those_of_its_tests(
    tmp_path: Path, tests: tuple[str, ...], verdict: str, evidence: str
) -> None:
    results = tmp_path / "tests.xml"
    case = '<testcase classname="tests.a" name="{}">{}</testcase>'.format
    results.write_text(
        "<testsuite>" + case("good", "") + case("each[1]", "") + case("each[2]", "") + case("bad", "<failure/>")
        + case("gone", "<skipped/>") + case("some[a]", "") + case("some[b]", "<error/>") + "</testsuite>"
    )  # fmt: skip
    asked = Traced("X-1", "It holds.", tuple(f"tests/a.py::{name}" for name in tests))
    (judged,) = judge_traces([asked], read_tests([results]))
    assert (judged.verdict, judged.evidence, judged.tests) == (verdict, evidence, asked.tests)
    document = junit_xml([judged], "small", 1.0, {}).decode()
    for test in asked.tests:
        assert f'<property name="test" value="{test}" />' in document


def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "requirements.toml"
    one = '[[requirement]]\nid = "X"\ntext = "t"\ntests = ["tests/a.py::test_b"]\n'
    for text, said in (
        (one + one, "two requirements have the id 'X'"),
        (one.replace("::", ":"), "wanted names such as"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_traces(path)

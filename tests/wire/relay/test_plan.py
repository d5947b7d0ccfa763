"""The file of a contact plan: what is written is read, anything else is refused with its line."""

from pathlib import Path

import pytest

from lookdown.wire.errors import ConfigError
from lookdown.wire.relay.plan import HEAD, Contact, read_plan, write_plan

GOOD = "contact 1 2 0 10 8 3"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    contacts = [Contact(2, 1, 0, 5, 1, 0), Contact(1, 2, 7, 9, 10**9, 4), Contact(1, 2, 0, 7, 1, 4)]
    write_plan(tmp_path / "plan.txt", contacts, ["made by hand"])
    assert read_plan(tmp_path / "plan.txt") == tuple(sorted(contacts))
    assert "# made by hand\n" in (tmp_path / "plan.txt").read_text()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "plan.txt:1: wanted 'lookdown contact plan 1', came 'an empty file'"),
        (["lookdown contact plan 2"], "plan.txt:1: wanted .* came 'lookdown contact plan 2'"),
        ([HEAD, GOOD, "contact 1 2 0 10 8"], "plan.txt:3: wanted 'contact from to"),
        ([HEAD, "contract 1 2 0 10 8 3"], "plan.txt:2: wanted 'contact from to"),
        ([HEAD, "contact 1 2 0 1e3 8 3"], "plan.txt:2: wanted a whole number, came '1e3'"),
        ([HEAD, "contact 1 2 -4 10 8 3"], "plan.txt:2: wanted a whole number, came '-4'"),
        ([HEAD, "contact 0 2 0 10 8 3"], "plan.txt:2: from: wanted 1 to 65535, came 0"),
        ([HEAD, "contact 2 2 0 10 8 3"], "plan.txt:2: to: wanted another node than 2"),
        ([HEAD, "contact 1 2 10 10 8 3"], "plan.txt:2: end_ns: wanted 11 to"),
        ([HEAD, "contact 1 2 0 10 0 3"], "plan.txt:2: bit_per_s: wanted 1 to"),
        ([HEAD, GOOD, "contact 1 2 9 12 8 3"], "plan.txt: contacts 1 to 2 overlap"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "plan.txt"
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(ConfigError, match=message):
        read_plan(path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_plan(tmp_path / "plan.txt")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_plan(tmp_path / "absent.txt")

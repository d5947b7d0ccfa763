"""The dictionary: sound as it stands, and refused with file and line where it is not."""

import re
from pathlib import Path

import pytest

from lookdown.wire.dictionary import DICTIONARY, PATH, DictionaryError, load_dictionary

GOOD = PATH.read_text(encoding="utf-8")


def line_of(text: str, part: str) -> int:
    """Line of the last occurrence of a part."""
    return text[: text.rindex(part)].count("\n") + 1


def load(tmp_path: Path, old: str, new: str) -> tuple[str, str]:
    """Change the dictionary, load it, and return its text and the message with which it was refused."""
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    path = tmp_path / "changed.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DictionaryError) as caught:
        load_dictionary(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return text, message


def test_it_is_sound() -> None:
    assert load_dictionary() == DICTIONARY
    assert len({packet.apid for packet in DICTIONARY.packets}) == len(DICTIONARY.packets)
    for packet in DICTIONARY.packets:
        at = 48
        for field in packet.layout():
            assert field.at == at, (packet.name, field.name)
            at += field.size
        assert at % 8 == 0
        assert all(line_starts_with_name(field.line) for field in packet.layout())


def line_starts_with_name(line: int) -> bool:
    return GOOD.splitlines()[line - 1].strip().startswith(("name", "{ name"))


FRAME_ID = 'name = "frame_id", at = 136, bits = 32, unit = "1", about = "of the frame" }'


@pytest.mark.parametrize(
    ("old", "new", "place", "wanted"),
    [
        ('name = "n_left_out", at = 176', 'name = "flags", at = 176', 'name = "flags", at = 176', "'flags' is defined"),
        ('name = "n_left_out", at = 176', 'name = "sensor_id", at = 176', 'name = "sensor_id", at = 176', "is defined"),
        ('name = "n_left_out", at = 176', 'name = "n_left_out", at = 175', 'at = 175', "ends at 176; they overlap"),
        ('name = "n_left_out", at = 176', 'name = "n_left_out", at = 177', 'at = 177', "ends at 176; close the hole"),
        ('name = "state", at = 200', 'name = "state", at = 199', 'position_m", at = 0, bits = 30', "they overlap"),
        ('name = "state", at = 200', 'name = "stat", at = 200', 'name = "stat"', "unknown group 'stat'"),
        (FRAME_ID, FRAME_ID.replace('"1"', '"furlong"'), '"furlong"', "unknown unit 'furlong'; known: 1, m,"),
        (FRAME_ID, FRAME_ID.replace("bits = 32", "bits = 31"), 'name = "flags", at = 168', "close the hole"),
        (FRAME_ID, FRAME_ID.replace("bits = 32", "bits = 65"), "bits = 65", "wanted bits range"),
        (FRAME_ID, FRAME_ID.replace("bits", "bit"), "bit = 32", "unknown key 'bit'; known: name, at, bits"),
        (FRAME_ID, FRAME_ID.replace("about", 'kind = "real", about'), '"real"', "unknown kind 'real'"),
        (FRAME_ID, FRAME_ID.replace("about", 'kind = "float", about'), '"float", about = "of', "give low and high"),
        (FRAME_ID, FRAME_ID.replace("about", 'kind = "octave", about'), '"octave", about = "of', "need per_octave"),
        (FRAME_ID, FRAME_ID.replace("about", "low = 3, high = 2, about"), "low = 3", "wanted low <= high"),
        ('enumeration = "ReportFlag"', 'enumeration = "Flag"', '"Flag"', "unknown enumeration 'Flag'; known: PlotFlag"),
        ('name = "EDGE", value = 2', 'name = "EDGE", value = 1', '"EDGE", value = 1', "EDGE = 1 is there already"),
        ('name = "EDGE", value = 2', 'name = "DARK", value = 2', '"DARK", value = 2', "DARK = 2 is there already"),
        ('name = "Health"\napid = 0x102', 'name = "Health"\napid = 0x101', 'name = "Health"', "an APID of its own"),
        ('name = "Health"\napid = 0x102', 'name = "Health"\napid = 2047', 'name = "Health"', "an APID of its own"),
        ('name = "Health"\napid', 'name = "End"\napid', 'name = "End"', "'End' is defined on line"),
        ('name = "sigma_y", unit', 'name = "sigma_x", unit', 'name = "sigma_x", unit', "'sigma_x' is defined"),
        ('name = "m/s"', 'name = "m"', 'name = "m"\n', "'m' is defined on line"),
        ('tail = "text"', 'tail = "txt"', 'name = "Event"', "wanted tail plots, echoes, tracks"),
        ('name = "severity", at = 136, bits = 8', 'name = "severity", at = 136, bits = 7',
         'name = "kind", at = 144', "close the hole"),
        ('name = "step_max_us", at = 488, bits = 32', 'name = "step_max_us", at = 488, bits = 31',
         'name = "Health"', "its fields end at bit 519; fill up"),
    ],
)  # fmt: skip
def test_an_unsound_one_is_refused_with_its_line(tmp_path: Path, old: str, new: str, place: str, wanted: str) -> None:
    text, message = load(tmp_path, old, new)
    assert wanted in message
    assert f"changed.toml:{line_of(text, place)}: " in message


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("version = 2", "version = ", "cannot be read: .*line 11"),
        ("version = 2", "", "wanted version, unit, enumeration, group, packet in this order"),
        ('{ name = "DARK", value = 1,', '{ value = 1, name = "DARK",', "on a line that begins with its name"),
    ],
)
def test_what_is_no_dictionary_is_refused(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    _, message = load(tmp_path, old, new)

    assert re.search(wanted, message)


def test_an_absent_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="cannot be read"):
        load_dictionary(tmp_path / "absent.toml")

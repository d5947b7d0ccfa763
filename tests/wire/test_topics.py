"""The table of topics: complete, and shown in the documentation as it stands."""

from pathlib import Path

from lookdown.wire.dictionary import DICTIONARY
from lookdown.wire.topics import TOPICS, table

NOT_SAID_YET = {"Parameter", "Command", "Tasking"}
"""Packets of the dictionary that no process sends as yet."""


def test_every_packet_has_a_topic_and_every_topic_packets() -> None:
    said = {message.__name__ for topic in TOPICS for message in topic.messages}
    assert said == {packet.name for packet in DICTIONARY.packets} - NOT_SAID_YET
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_reliable_topics_go_over_the_link() -> None:
    lines = {line.split("|")[1].strip(): line for line in table().splitlines()}
    for topic in TOPICS:
        assert ("DEALER to ROUTER" in lines[topic.name]) == topic.reliable
        assert 0 <= topic.priority <= 3
    assert (
        "| FrameHeader, IntervalHeader, End | sensor | flight | per frame | lossy, counted | PUSH to PULL |"
        in lines["frames"]
    )


def test_the_documentation_shows_the_table_as_it_stands() -> None:
    assert table() in (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")

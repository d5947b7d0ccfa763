"""Independent readers: ccsdspy, space_packet_parser with the XTCE file, and tshark see what was sent."""

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import ccsdspy
import google_crc32c
import numpy as np
import pytest
import space_packet_parser

from lookdown.wire.dictionary import DICTIONARY, Field, Packet
from lookdown.wire.packet import encode
from lookdown.wire.xtce import to_xtce
from tests.wire.samples import MESSAGES, STATE, name_of

ATTITUDE = np.array([0.1, -0.7, 0.3, 0.5]) / np.linalg.norm([0.1, -0.7, 0.3, 0.5])
EPOCH_S = 4383 * 86_400  # 1970-01-01 after 1958-01-01
PRIMARY = ("VERSION", "TYPE", "SEC_HDR_FLG", "PKT_APID", "SEQ_FLGS", "SRC_SEQ_CTR", "PKT_LEN")


def messages() -> list[Any]:
    """Messages, their states turned away from the axes."""
    turned = replace(STATE, attitude=ATTITUDE, velocity_m_s=np.array([-0.25, 7000.0, -16_000.0]))
    return [replace(m, state=turned) if getattr(m, "state", None) else m for m in MESSAGES]


def expected(message: Any, packet: Packet) -> dict[str, float]:
    """Value of every element of the fixed fields, from the message itself."""
    sent: dict[str, float] = {
        "version": 2,
        "sensor_id": getattr(message, "sensor_id", 0),
        "time_coarse_s": message.time_ns // 10**9 + EPOCH_S,
        "time_fine": message.time_ns % 10**9 * 2**32 / 1e9,
    }
    state = getattr(message, "state", None)
    for field in packet.layout():
        if field.name in sent:
            continue
        if field.name == "n_plots":
            sent["n_plots"] = message.n_plots
        elif field.kind == "quaternion":
            sent |= {"attitude_largest": 1, "attitude_0": -ATTITUDE[0], "attitude_1": -ATTITUDE[2]}
            sent["attitude_2"] = -ATTITUDE[3]
        elif field.count > 1:
            values = getattr(state, field.name) if state else np.zeros(field.count)
            sent |= {f"{field.name}_{i}": value for i, value in enumerate(values)}
        elif hasattr(STATE, field.name):
            sent[field.name] = getattr(state, field.name) if state else 0.0
        else:
            sent[field.name] = getattr(message, field.name)
    return sent


def loss_of(element: Field) -> float:
    """Largest difference between what is sent and what is read."""
    if element.name == "time_fine":
        return 0.5
    if element.kind == "float":
        return 0.0
    return element.scale / 2 * (1 + 1e-9) if element.scale != 1.0 else 0.0


def assert_read(packet: Packet, message: Any, read: Callable[[str], float], scaled: bool) -> None:
    """Hold what a reader gives for each element to what was sent."""
    sent = expected(message, packet)
    elements = [element for field in packet.layout() for element in field.elements()]
    assert set(sent) == {element.name for element in elements}
    for element in elements:
        value = read(element.name)
        if element.kind == "octave":
            octaves = np.log2(sent[element.name]) * element.per_octave + element.zero
            assert value == round(octaves), element.name
            continue
        if not scaled:
            value = value * element.scale
        wanted = (
            np.float32(sent[element.name]) if element.kind == "float" and element.bits == 32 else sent[element.name]
        )
        assert abs(value - wanted) <= loss_of(element), element.name


@pytest.fixture(scope="module")
def xtce(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("xtce") / "lookdown.xml"
    path.write_text(to_xtce(DICTIONARY), encoding="utf-8")
    return path


def test_the_xtce_file_is_valid_against_its_schema(xtce: Path) -> None:
    # The schema of the OMG comes with space_packet_parser; nothing is fetched.
    result = space_packet_parser.validate_xtce(
        xtce, raise_on_error=False, allow_schema_download=False, print_results=False
    )
    assert result, str(result)
    broken = xtce.with_name("broken.xml")
    broken.write_text(xtce.read_text().replace("IntegerDataEncoding", "IntegerCoding", 2))
    assert not space_packet_parser.validate_xtce(
        broken, raise_on_error=False, allow_schema_download=False, print_results=False
    )


@pytest.mark.parametrize("message", messages(), ids=name_of)
def test_space_packet_parser_reads_every_field(message: Any, xtce: Path) -> None:
    packet = DICTIONARY.packet(name_of(message))
    data = encode(message, sequence=0x1234)
    read = space_packet_parser.load_xtce(xtce).parse_bytes(data)
    shared = {field.name for field in packet.groups[0].fields}
    enumerated = {f.name for f in packet.fields if f.enumeration and not DICTIONARY.enumerations[f.enumeration].flags}

    def value_of(name: str) -> float:
        found = read[name if name in shared else f"{packet.name}_{name}"]
        if name in enumerated:
            assert str(found) == getattr(message, name).name
            return found.raw_value
        return found

    assert_read(packet, message, value_of, scaled=True)
    assert [int(read[name]) for name in PRIMARY] == [0, packet.telecommand, 1, packet.apid, 3, 0x1234, len(data) - 7]
    if packet.tail:
        assert read[f"{packet.name}_{packet.attribute}"] == data[packet.fixed_bits // 8 : -4]
    assert read["crc"] == google_crc32c.value(data[:-4])
    assert len(read) == 7 + len(expected(message, packet)) + bool(packet.tail) + 1


def ccsdspy_packet(packet: Packet, has_tail: bool) -> ccsdspy.VariableLength | ccsdspy.FixedLength:
    kinds = {"signed": "int", "float": "float"}
    fields = [
        ccsdspy.PacketField(element.name, kinds.get(element.kind, "uint"), element.bits)
        for field in packet.layout()
        for element in field.elements()
    ]
    if has_tail:
        fields.append(ccsdspy.PacketArray(name="tail", data_type="uint", bit_length=8, array_shape="expand"))
    fields.append(ccsdspy.PacketField("crc", "uint", 32))
    return ccsdspy.VariableLength(fields) if has_tail else ccsdspy.FixedLength(fields)


@pytest.mark.parametrize("message", messages(), ids=name_of)
def test_ccsdspy_reads_every_field(message: Any) -> None:
    packet = DICTIONARY.packet(name_of(message))
    data = encode(message, sequence=0x1234)
    tail = data[packet.fixed_bits // 8 : -4]
    read = ccsdspy_packet(packet, bool(tail)).load(io.BytesIO(data), include_primary_header=True)
    assert_read(packet, message, lambda name: read[name][0].item(), scaled=False)
    names = (
        "VERSION_NUMBER",
        "PACKET_TYPE",
        "SECONDARY_FLAG",
        "APID",
        "SEQUENCE_FLAG",
        "SEQUENCE_COUNT",
        "PACKET_LENGTH",
    )
    names = tuple(f"CCSDS_{name}" for name in names)
    assert [int(read[name][0]) for name in names] == [0, packet.telecommand, 1, packet.apid, 3, 0x1234, len(data) - 7]
    if tail:
        assert bytes(read["tail"][0].astype(np.uint8)) == tail
    assert read["crc"][0] == google_crc32c.value(data[:-4])


UDP_PORT = 5600


def capture_of(packets: list[bytes]) -> bytes:
    """A pcap file (raw IPv4) with a UDP datagram a packet."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for data in packets:
        udp = struct.pack(">HHHH", UDP_PORT, UDP_PORT, 8 + len(data), 0) + data
        home = bytes([127, 0, 0, 1])
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, home, home) + udp
        parts += [struct.pack("<IIII", 0, 0, len(ip), len(ip)), ip]
    return b"".join(parts)


def test_tshark_reads_the_primary_header(tmp_path: Path, need: Callable[[str], NoReturn]) -> None:
    if not shutil.which("tshark"):
        need("tshark is not installed; sudo apt install tshark")
    packets = [encode(message, sequence=n) for n, message in enumerate(messages())]
    capture = tmp_path / "packets.pcap"
    capture.write_bytes(capture_of(packets))
    names = ("version", "type", "secheader", "apid", "seqflag", "seqnum", "length")
    asked = [word for name in names for word in ("-e", f"ccsds.{name}")]
    command = ["tshark", "-r", str(capture), "-d", f"udp.port=={UDP_PORT},ccsds", "-T", "fields", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = [[int(cell, 0) for cell in line.split("\t")] for line in done.stdout.splitlines()]
    wanted = []
    for n, (message, data) in enumerate(zip(messages(), packets, strict=True)):
        packet = DICTIONARY.packet(name_of(message))
        wanted.append([0, int(packet.telecommand), 1, packet.apid, 3, n, len(data) - 7])
    assert rows == wanted

"""Standard outputs read by others: every value comes back within the least bit of its standard."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import czml3
import geojson
import numpy as np
import pytest
import takproto.functions
from stanag4607 import DwellSegment, JobDefinitionSegment, MissionSegment, iter_packet_events
from stanag4607.continuity import StreamContinuityValidator
from stanag4607.stream import PacketStreamDecoder
from stanag4607.validation import (
    validate_dwell,
    validate_job_definition,
    validate_mission,
    validate_packet_context,
    validate_packet_header,
)

from lookdown.ground.outputs import asterix, gmti
from lookdown.ground.outputs.asterix import AsterixOptions, asterix_blocks
from lookdown.ground.outputs.cot import CotOptions, cot_events
from lookdown.ground.outputs.czml import czml_document, czml_packets
from lookdown.ground.outputs.geojson import geojson_collection, geojson_features
from lookdown.ground.outputs.gmti import GmtiOptions, GmtiWriter
from lookdown.wire.messages import Kind, TrackStatus
from tests.ground.samples import MOVERS, make_points

FOOT_M = 0.3048


@pytest.fixture(scope="module")
def points():
    return make_points(6)


def same_angle(first_deg, second_deg, lsb_deg):
    return abs((first_deg - second_deg + 180.0) % 360.0 - 180.0) <= lsb_deg / 2 * (1 + 1e-6)


def tshark(need, path: Path, fields: list[str], *options: str) -> list[list[str]]:
    """Fields as tshark reads them, a row a frame, values of one frame split by ``|``; no frame may be malformed."""
    if not shutil.which("tshark"):
        need("tshark is absent; apt install tshark")
    command = ["tshark", "-r", str(path), *options, "-T", "fields", "-E", "aggregator=|", "-e", "_ws.malformed"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows
    assert not any(row[0] for row in rows), rows
    return [row[1:] for row in rows]


def pcap_of(datagrams: list[bytes], path: Path, port: int) -> Path:
    """Write datagrams as a capture of UDP over IPv4 (link type 101: raw IP)."""
    octets = (
        b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + (65535).to_bytes(4, "little") + (101).to_bytes(4, "little")
    )
    for datagram in datagrams:
        udp = port.to_bytes(2, "big") * 2 + (8 + len(datagram)).to_bytes(2, "big") + bytes(2) + datagram
        ip = b"\x45\x00" + (20 + len(udp)).to_bytes(2, "big") + bytes(4) + b"\x40\x11" + bytes(2) + b"\x7f\0\0\1" * 2
        packet = ip + udp
        octets += bytes(8) + len(packet).to_bytes(4, "little") * 2 + packet
    path.write_bytes(octets)
    return path


# ASTERIX

READ_ASTERIX = """
import asterix, json, sys
print(json.dumps([asterix.parse(bytes.fromhex(line), verbose=False) for line in sys.stdin.read().split()]))
"""


def asterix_decoder(blocks: list[bytes]) -> list[dict]:
    """Records as asterix-decoder reads them, in a process of its own."""
    text = "\n".join(block.hex() for block in blocks)
    done = subprocess.run(
        [sys.executable, "-c", READ_ASTERIX], input=text, capture_output=True, text=True, check=True, timeout=60
    )
    return [record for block in json.loads(done.stdout) for record in block]


def asterix_values(record: dict) -> dict[str, float]:
    """Items of a record by one name a number."""
    found = {}
    for item, subfields in record.items():
        if not isinstance(subfields, dict):
            continue
        for name, value in subfields.items():
            if "val" in value:
                found[f"{item}.{name}"] = value["val"]
            else:
                found |= {f"{item}.{inner}": deep["val"] for inner, deep in value.items()}
    return found


def test_asterix_decoder_reads_every_item_within_its_least_bit(points):
    blocks = list(asterix_blocks(points, AsterixOptions(25, 7, simulated=True), frozenset(range(len(MOVERS)))))
    assert len(blocks) > 1
    assert all(len(block) <= asterix.MAX_BLOCK_OCTETS for block in blocks)
    records = asterix_decoder(blocks)
    assert len(records) == len(points)
    for row, record in enumerate(records):
        assert record["category"] == 62
        read = asterix_values(record)
        assert (read["I010.SAC"], read["I010.SIC"]) == (25, 7)
        seconds = int(points.unix_ns[row]) % (86_400 * 10**9) / 1e9
        assert abs(read["I070.ToT"] - seconds) <= 1 / 256
        assert same_angle(read["I105.Lat"], points.lat_deg[row], 180 / 2**25)
        assert same_angle(read["I105.Lon"], points.lon_deg[row], 180 / 2**25)
        assert abs(read["I185.Vx"] - points.velocity_enu_m_s[row, 0]) <= 0.125
        assert abs(read["I185.Vy"] - points.velocity_enu_m_s[row, 1]) <= 0.125
        assert read["I040.TrkN"] == points.track_id[row] % 65536
        status = TrackStatus(points.status[row])
        assert (read["I080.CNF"], read["I080.SIM"], read["I080.SRC"], read["I080.MRH"]) == (0, 1, 3, 1)
        assert read["I080.TSE"] == (status == TrackStatus.DROPPED)
        assert read["I080.CST"] == (status == TrackStatus.COASTING)
        assert read["I080.TSB"] == (row < len(MOVERS))
        if points.height_m[row] <= 150_000 * FOOT_M:
            assert abs(read["I130.Alt"] - points.height_m[row] / FOOT_M) <= 6.25 / 2 * (1 + 1e-9)
        else:
            assert "I130.Alt" not in read
        climb_ft_min = points.velocity_enu_m_s[row, 2] / FOOT_M * 60
        assert ("I220.RoC" in read) == (abs(climb_ft_min) < 204_800)
        assert abs(read.get("I220.RoC", climb_ft_min) - climb_ft_min) <= 6.25 / 2 * (1 + 1e-9)
        sigma = points.sigma_enu[row]
        apw_m = read["I500.APW_Lat"] * 111_319.5
        assert abs(apw_m - min(sigma[1], 65535 * 0.6)) <= 0.31
        assert abs(read["I500.AGA_Acc"] - min(sigma[2] / FOOT_M, 255 * 6.25)) <= 3.2
        assert abs(read["I500.ATV_X"] - min(sigma[3], 255 * 0.25)) <= 0.126
        assert abs(read["I500.ARC_Acc"] - min(sigma[5] / FOOT_M * 60, 255 * 6.25)) <= 3.2


def test_tshark_and_asterix_decoder_agree(points, need, tmp_path):
    blocks = list(asterix_blocks(points, AsterixOptions(25, 7)))
    capture = pcap_of(blocks, tmp_path / "asterix.pcap", 8600)
    names = {
        "asterix.062_070_VALUE": "I070.ToT",
        "asterix.062_105_LAT": "I105.Lat",
        "asterix.062_105_LON": "I105.Lon",
        "asterix.062_185_VX": "I185.Vx",
        "asterix.062_185_VY": "I185.Vy",
        "asterix.062_040_VALUE": "I040.TrkN",
        "asterix.062_130_VALUE": "I130.Alt",
        "asterix.062_220_VALUE": "I220.RoC",
        "asterix.062_500_APW_LAT": "I500.APW_Lat",
        "asterix.062_500_AGA_VALUE": "I500.AGA_Acc",
        "asterix.062_500_ATV_X": "I500.ATV_X",
        "asterix.062_500_ARC_VALUE": "I500.ARC_Acc",
    }
    listed = subprocess.run(["tshark", "-G", "fields"], capture_output=True, text=True, check=True).stdout
    known = {line.split("\t")[2] for line in listed.splitlines() if "asterix.062_" in line}
    assert set(names) <= known, set(names) - known
    rows = tshark(need, capture, list(names), "-d", "udp.port==8600,asterix")
    read = [asterix_values(record) for record in asterix_decoder(blocks)]
    for column, name in enumerate(names.values()):
        theirs = [float(int(v, 0) if v.startswith("0x") else float(v)) for row in rows for v in row[column].split("|")]
        ours = [record[name] for record in read if name in record]
        assert len(theirs) == len(ours) > 10
        assert np.allclose(theirs, ours, rtol=1e-9, atol=1e-9), name


# Cursor on Target


def test_takproto_reads_every_event(points):
    types = {Kind.AIRCRAFT: "a-u-A", Kind.SURFACE: "a-u-G", Kind.CRUISE: "a-u-A-W-M"}
    for row, octets in enumerate(cot_events(points, CotOptions(stale_s=20.0))):
        message = takproto.functions.parse_proto(bytearray(octets)).cotEvent
        assert message.uid == f"lookdown-{points.track_id[row]}"
        best = Kind(int(np.argmax(points.kind[row])))
        assert message.type == types.get(best, "a-u-A-W-M")
        assert message.how == "m-f"
        assert message.sendTime == message.startTime == int(points.unix_ns[row]) // 10**6
        gone = points.status[row] == TrackStatus.DROPPED
        assert message.staleTime - message.startTime == (0 if gone else 20_000)
        assert abs(message.lat - points.lat_deg[row]) <= 5.1e-8
        assert abs(message.lon - points.lon_deg[row]) <= 5.1e-8
        assert abs(message.hae - points.height_m[row]) <= 0.0051
        assert abs(message.ce - points.horizontal_sigma_m[row]) <= 0.0051
        assert abs(message.le - points.sigma_enu[row, 2]) <= 0.0051
        east, north, _ = points.velocity_enu_m_s[row]
        assert abs(message.detail.track.speed - np.hypot(east, north)) <= 0.0051
        assert same_angle(message.detail.track.course, np.degrees(np.arctan2(east, north)), 0.01)
        assert message.detail.contact.callsign == message.uid
        assert best.name.lower() in message.detail.xmlDetail
        # As TAK clients get it: protocol version 1, there and back.
        packed = takproto.functions.xml2proto(octets)
        assert takproto.functions.parse_proto(packed).cotEvent.lon == message.lon
    unsure = points.take(np.array([0]))
    unsure.kind[:] = 0.4
    assert b'type="a-u-A"' in next(iter(cot_events(unsure, CotOptions())))
    assert b'how="m-s"' in next(iter(cot_events(unsure, CotOptions(simulated=True))))


# STANAG 4607


@pytest.fixture(scope="module")
def gmti_octets(points):
    seen = points.take(np.arange(len(points)))
    seen.status[:] = TrackStatus.CONFIRMED
    return b"".join(GmtiWriter(GmtiOptions()).packets(seen))


def test_stanag4607_finds_nothing_to_blame_and_reads_every_field(points, gmti_octets):
    decoder, continuity = PacketStreamDecoder(), StreamContinuityValidator()
    dwells, kinds = [], []
    for packet in decoder.feed(gmti_octets):
        assert validate_packet_header(packet.header) == validate_packet_context(packet) == ()
        for event in iter_packet_events(packet):
            assert tuple(continuity.observe(event)) == ()
            kinds.append(type(event.value))
            check = {
                MissionSegment: validate_mission,
                JobDefinitionSegment: validate_job_definition,
                DwellSegment: validate_dwell,
            }
            assert check[type(event.value)](event.value) == ()
            if isinstance(event.value, DwellSegment):
                dwells.append(event.value)
            if isinstance(event.value, MissionSegment):
                mission = event.value
                assert (mission.reference_year, mission.reference_month, mission.reference_day) == (2027, 1, 15)
    decoder.finish()
    assert kinds[:3] == [MissionSegment, JobDefinitionSegment, DwellSegment]
    assert kinds.count(MissionSegment) == 1
    movers = points.take(np.argmax(points.kind, axis=1) == Kind.SURFACE)
    assert [dwell.target_report_count for dwell in dwells] == [3] * 6
    row = 0
    for dwell in dwells:
        assert abs(dwell.dwell_time_milliseconds - int(movers.unix_ns[row]) % (86_400 * 10**9) / 1e6) <= 0.5
        sensor_m = movers.platform.position_m[row]
        assert abs(dwell.sensor_altitude_centimeters / 100 - (700e3 + 1e3 * (row // 3))) < 0.01
        for index, target in enumerate(dwell.targets):
            place = dwell.target_location(index)
            assert target.report_index == index + 1
            assert same_angle(float(place.latitude.degrees), movers.lat_deg[row], gmti.SA32_DEG)
            assert same_angle(float(place.longitude.degrees), movers.lon_deg[row], gmti.BA32_DEG)
            assert abs(target.geodetic_height_meters - movers.height_m[row]) <= 0.5
            sight = movers.position_m[row] - sensor_m
            away_m_s = movers.velocity_m_s[row] @ sight / np.linalg.norm(sight)
            if index == 0:  # the dwell has one sensor, that of its first row
                assert abs(target.radial_velocity_centimeters_per_second / 100 - away_m_s) <= 0.005001
            assert target.classification == 127
            assert target.classification_probability_percent == 88
            assert abs(target.height_uncertainty_meters - min(movers.sigma_enu[row, 2], 255)) <= 0.5
            row += 1
    assert row == len(movers)


def test_tshark_reads_the_dwells_as_stanag4607_does(gmti_octets, need, tmp_path):
    path = tmp_path / "movers.4607"
    path.write_bytes(gmti_octets)
    names = {
        "s4607.dwell.rpt.lat": lambda t, p: p.latitude.raw,
        "s4607.dwell.rpt.lon": lambda t, p: p.longitude.raw,
        "s4607.dwell.rpt.height": lambda t, p: t.geodetic_height_meters,
        "s4607.dwell.rpt.radial": lambda t, p: t.radial_velocity_centimeters_per_second,
        "s4607.dwell.rpt.prob": lambda t, p: t.classification_probability_percent,
        "s4607.dwell.rpt.unc.slant": lambda t, p: t.slant_range_uncertainty_centimeters,
        "s4607.dwell.rpt.unc.cross": lambda t, p: t.cross_range_uncertainty_decimeters,
        "s4607.dwell.rpt.unc.height": lambda t, p: t.height_uncertainty_meters,
        "s4607.dwell.rpt.unc.radial": lambda t, p: t.radial_velocity_uncertainty_centimeters_per_second,
    }
    listed = subprocess.run(["tshark", "-G", "fields"], capture_output=True, text=True, check=True).stdout
    known = {line.split("\t")[2] for line in listed.splitlines() if "\ts4607." in line}
    assert set(names) <= known, sorted(known)
    rows = tshark(need, path, list(names))
    read = [
        [(target, event.value.target_location(index)) for index, target in enumerate(event.value.targets)]
        for packet in PacketStreamDecoder().feed(gmti_octets)
        for event in iter_packet_events(packet)
        if isinstance(event.value, DwellSegment)
    ]
    assert len(rows) == len(read) == 6
    for row, targets in zip(rows, read, strict=True):
        for column, value_of in zip(row, names.values(), strict=True):
            assert [int(value) for value in column.split("|")] == [value_of(*target) for target in targets]


def test_nothing_to_tell_is_no_message_and_a_valid_document(points):
    none = points.take(np.zeros(0, np.int64))
    assert list(asterix_blocks(none, AsterixOptions())) == list(cot_events(none, CotOptions())) == []
    assert list(GmtiWriter(GmtiOptions()).packets(none)) == list(geojson_features(none)) == czml_packets(none) == []
    assert geojson.loads(geojson_collection(none)).is_valid
    assert [packet["id"] for packet in json.loads(czml_document(none))] == ["document"]


def test_a_dwell_holds_what_was_seen_and_nothing_that_coasts(points):
    movers = points.take(np.argmax(points.kind, axis=1) == Kind.SURFACE)
    movers.status[:] = TrackStatus.CONFIRMED
    movers.status[1] = TrackStatus.COASTING
    events = [event for packet in PacketStreamDecoder().feed(b"".join(GmtiWriter(GmtiOptions()).packets(movers)))
              for event in iter_packet_events(packet)]  # fmt: skip
    counts = [event.value.target_report_count for event in events if isinstance(event.value, DwellSegment)]
    assert counts == [2, 3, 3, 3, 3, 3]


def test_a_mover_without_a_known_sensor_is_counted(points):
    movers = points.take(np.arange(len(MOVERS)))
    movers.status[:] = TrackStatus.CONFIRMED
    movers.platform.position_m[:] = np.nan
    writer = GmtiWriter(GmtiOptions())
    assert list(writer.packets(movers)) == []
    assert writer.left_out == 3


# CZML and GeoJSON


def test_czml3_takes_every_packet(points):
    packets = json.loads(czml_document(points))
    assert packets[0]["id"] == "document"
    document = czml3.Document(packets=[czml3.Packet.model_validate(packet) for packet in packets])
    assert json.loads(document.dumps())[0]["version"] == "1.0"
    assert len(packets) == 1 + len(MOVERS)
    for packet in packets[1:]:
        position = czml3.Position.model_validate(packet["position"])
        samples = np.array(position.model_dump()["cartesian"]).reshape(-1, 4)
        rows = np.flatnonzero(points.track_id == int(packet["id"].removeprefix("track-")))
        epoch = np.datetime64(packet["position"]["epoch"].rstrip("Z"), "ns")
        times = epoch + (samples[:, 0] * 1e9).round().astype("timedelta64[ns]")
        assert np.abs(times.astype(np.int64) - points.unix_ns[rows]).max() <= 500
        assert np.abs(samples[:, 1:] - points.position_m[rows]).max() <= 0.0051
    for line in czml_packets(points):
        czml3.Packet.model_validate_json(line)
    broken = json.loads(czml_document(points))[1]
    broken["position"]["referenceFrame"] = 3
    with pytest.raises(ValueError, match="referenceFrame"):
        czml3.Packet.model_validate(broken)


def test_geojson_is_valid_and_is_cut_at_the_antimeridian(points):
    octets = geojson_collection(points)
    collection = geojson.loads(octets)
    assert collection.is_valid, collection.errors()
    assert len(collection["features"]) == len(MOVERS)
    for feature in json.loads(octets)["features"]:  # the library rounds to six digits
        rows = np.flatnonzero(points.track_id == feature["properties"]["track_id"])
        geometry = feature["geometry"]
        parts = [geometry["coordinates"]] if geometry["type"] == "LineString" else geometry["coordinates"]
        assert (geometry["type"] == "MultiLineString") == (feature["properties"]["track_id"] == 2)
        if len(parts) == 2:
            assert (parts[0][-1][0], parts[1][0][0]) == (180.0, -180.0)
            assert parts[0][-1][1:] == parts[1][0][1:]
            parts = [[*parts[0][:-1], *parts[1][1:]]]
        places = np.array(parts[0])
        assert np.abs(places[:, 0] - points.lon_deg[rows]).max() <= 5.1e-8
        assert np.abs(places[:, 1] - points.lat_deg[rows]).max() <= 5.1e-8
        assert np.abs(places[:, 2] - points.height_m[rows]).max() <= 0.0051
        properties = feature["properties"]
        assert len(properties["times"]) == len(rows)
        when = datetime.fromisoformat(properties["time"]).astimezone(UTC).timestamp()
        assert abs(when - points.unix_ns[rows[-1]] / 1e9) < 1e-3
        assert properties["kind"] == Kind(int(np.argmax(points.kind[rows[-1]]))).name.lower()
        assert sum(properties["kinds"].values()) == pytest.approx(1.0, abs=0.01)
    for line in geojson_features(points):
        assert geojson.loads(line).is_valid
    single = geojson.loads(geojson_collection(points.take(np.array([0]))))
    assert single["features"][0]["geometry"]["type"] == "Point"
    assert single.is_valid

"""History: parts and state are of one moment whatever breaks between them, and SQL sees each row once."""

import json
import pickle
import re
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from lookdown.ground import closing as closing_module
from lookdown.ground import history as history_module
from lookdown.ground.__main__ import main
from lookdown.ground.closing import is_set_apart
from lookdown.ground.history import HISTORY_NAME, History, HistoryConfig
from lookdown.ground.offline import reports_in
from lookdown.ground.parts import TABLES, find_parts
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.query import HistoryReader
from lookdown.ground.snapshot import freeze, thaw
from lookdown.wire.config import parse_config
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.packet import encode

SMALL = HistoryConfig(part_s=2.0, part_rows=100)


@pytest.fixture(scope="module")
def scene(world):
    made = world(seed=5, false_plots=3.0)
    made.add_mover(-8e3, 0.0, 30e3, 2400.0, 90.0)
    made.add_mover(0.0, -4e3, 10e3, 250.0, 0.0)
    return made


@pytest.fixture(scope="module")
def parameters(scene):
    return replace(scene.parameters(), hold_s=60.0)


@pytest.fixture(scope="module")
def deliveries(scene):
    return [Delivery(r.sensor_id, 1, 2, encode(r, r.frame_id), 1) for r in scene.reports(5.0)]


@pytest.fixture(scope="module")
def events(parameters, deliveries):
    pipeline = Pipeline(parameters)
    return [pipeline.take(delivery) for delivery in deliveries] + [pipeline.finish()]


@pytest.fixture(scope="module")
def updates(events):
    return np.concatenate([event.updates for batch in events for event in reports_in(batch)])


@pytest.fixture
def written(events, tmp_path):
    history = History(tmp_path, SMALL)
    for number, batch in enumerate(events):
        history.add(batch, 3)
        history.commit(b"", number)
        history.wait()
    history.set_counters({(1, "fused"): 50, (2, "fused"): 49})
    history.commit(b"", len(events))
    yield tmp_path
    history.abandon()


def test_state_thaws_at_every_moment_and_goes_on_to_the_same_bits(parameters, deliveries, updates):
    pipeline, found = Pipeline(parameters), []
    for number, delivery in enumerate(deliveries):
        if number % 7 == 3:
            pipeline = thaw(freeze(pipeline, parameters), parameters)
        found += [event.updates for event in reports_in(pipeline.take(delivery))]
    found += [event.updates for event in reports_in(pipeline.finish())]
    assert len(updates) > 50
    assert np.concatenate(found).tobytes() == updates.tobytes()


def test_state_of_others_is_refused_and_runs_nothing(parameters):
    octets = freeze(Pipeline(parameters), parameters)
    with pytest.raises(WireError) as error:
        thaw(octets, replace(parameters, hold_s=5.0))
    assert error.value.reason == "version"
    for at in range(32, len(octets), 97):
        with pytest.raises(WireError) as error:
            thaw(octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :], parameters)
        assert error.value.reason == "crc"

    class Call:
        def __reduce__(self):
            return (json.dumps, ("run",))

    import google_crc32c

    for wrong in (Call(), {"a": 1}, json.JSONDecoder, replace):
        state = pickle.dumps(wrong) if not isinstance(wrong, Call) else pickle.dumps(wrong.__reduce__()[0])
        forged = octets[:32] + google_crc32c.value(state).to_bytes(4, "big") + state
        with pytest.raises(WireError) as error:
            thaw(forged, parameters)
        assert error.value.reason == "state"


def test_every_row_is_there_once_in_order_and_in_whole_parts(written, updates):
    reader = HistoryReader(written)
    assert reader.updates().tobytes() == updates.tobytes()
    assert len(find_parts(written / "history", "track_updates")) >= 2
    assert len(reader._fresh["reports"])  # the open part is seen too
    for table in TABLES:
        times = reader.table(table)["time_ns"].to_numpy()
        ((count,),) = reader.query(f"SELECT count(*) FROM {table}").fetchall()
        assert count == len(times) > 0
    rows = reader.query("SELECT date_trunc('day', utc), lat_deg, lon_deg, height_m, speed_m_s FROM track_updates")
    day, lat_deg, lon_deg, height_m, speed_m_s = rows.fetchnumpy().values()
    assert set(day.astype("datetime64[D]").astype(str)) == {"2027-01-15"}
    assert np.abs(lat_deg - 40.0).max() < 1.0
    assert np.abs(lon_deg - 10.0).max() < 1.0
    assert -1e3 < height_m.min() < height_m.max() < 40e3
    assert np.allclose(speed_m_s, np.linalg.norm(updates["velocity_m_s"], axis=1))
    assert len(reader.query("SELECT * FROM tracks").fetchall()) == 2


@pytest.mark.parametrize("step", ["write", "rename", "commit"])
def test_a_part_that_breaks_off_at_any_step_comes_again_once(events, updates, tmp_path, monkeypatch, step):
    """Broken before a file stands, when some stand, and when all stand but the part is not counted."""
    history = History(tmp_path, SMALL)
    done = 0
    for number, batch in enumerate(events[:40]):
        history.add(batch, 3)
        history.commit(b"x", number + 1)
        done = number + 1
    history.wait()
    history.commit(b"x", done)
    parts = history.n_parts

    class DiedError(Exception):
        pass

    calls = []

    def dies(*arguments, **more):
        calls.append(arguments)
        if step == "write" or len(calls) == 3:
            raise DiedError
        return real(*arguments, **more)

    real = closing_module.write_part
    if step != "commit":
        monkeypatch.setattr(closing_module, "write_part", dies)
    history._due = True
    history.add(events[40], 3)
    history.commit(b"y", 41)
    history.wait()
    if step == "commit":
        monkeypatch.setattr(history, "_commit", lambda: (_ for _ in ()).throw(DiedError()))
    with pytest.raises(DiedError):
        history.commit(b"z", 41)
    history.abandon()
    monkeypatch.undo()
    (tmp_path / "history" / "reports" / "date=2027-01-15").mkdir(parents=True, exist_ok=True)
    (tmp_path / "history" / "reports" / "date=2027-01-15" / ".part-000099.draft").write_bytes(b"torn")
    if step == "commit":
        assert len(find_parts(tmp_path / "history", "reports")) == parts + 1
    done = 41
    expected = np.concatenate([e.updates for batch in events[:done] for e in reports_in(batch)])
    assert HistoryReader(tmp_path).updates().tobytes() == expected.tobytes()
    again = History(tmp_path, SMALL)
    assert (again.n_parts, again.fused_octets, again.state) == (parts + 1, done, b"y")
    assert len(find_parts(tmp_path / "history", "reports")) == parts + 1
    assert not list((tmp_path / "history").rglob("*.draft"))
    for batch in events[done:]:
        again.add(batch, 3)
    again.close(final=True)
    reader = HistoryReader(tmp_path)
    assert reader.updates().tobytes() == updates.tobytes()
    assert not len(reader._fresh["reports"])


def test_the_loop_goes_on_while_a_part_is_closed(events, updates, tmp_path, monkeypatch):
    real, begun, may_end = closing_module.write_part, threading.Event(), threading.Event()

    def slow(*arguments):
        begun.set()
        assert may_end.wait(60.0)
        real(*arguments)

    monkeypatch.setattr(closing_module, "write_part", slow)
    history = History(tmp_path, HistoryConfig(part_s=86_400.0, part_rows=10_000))
    for number, batch in enumerate(events):
        history._due = history._due or number == 20
        history.add(batch, 3)
        history.commit(b"x", number + 1)  # returns, though the files of the first part cannot be written yet
        if number < 20:
            continue
        assert begun.wait(60.0)
        expected = [e.updates for each in events[: number + 1] for e in reports_in(each)]
        assert HistoryReader(tmp_path).updates().tobytes() == np.concatenate(expected).tobytes()
    assert history.n_parts == 0
    may_end.set()
    history.wait()
    history.commit(b"x", len(events))
    assert history.n_parts == 1
    assert HistoryReader(tmp_path).updates().tobytes() == updates.tobytes()
    assert not is_set_apart(history._connection)
    history.abandon()


def test_a_part_that_grows_to_twice_its_size_waits_for_the_one_before(events, tmp_path, monkeypatch):
    waited = []
    history = History(tmp_path, HistoryConfig(part_s=86_400.0, part_rows=100))

    class Slow(Future):
        """Never seems to be done by itself."""

        def done(self):
            return False

        def result(self):
            waited.append(max(history._rows.values()))
            return self.real.result()

    def begin(*arguments):
        slow = Slow()
        slow.real = closing_module.begin_closing(*arguments)
        slow.real.add_done_callback(lambda _: slow.set_result(None))
        return slow

    monkeypatch.setattr(history_module, "begin_closing", begin)
    for batch in events * 4:
        history.add(batch, 3)
        history.commit(b"", 1)
        assert max(history._rows.values()) < 200
    assert len(waited) >= 1
    assert min(waited) >= 200
    assert history.n_parts == len(waited)
    history.abandon()


def test_what_was_fused_at_a_stop_is_shown_and_then_fused_anew(events, tmp_path):
    history = History(tmp_path, SMALL)
    for batch in events[:60]:
        history.add(batch, 3)
    history.settle(b"state", 60)
    history.add(events[60], 3)
    history.close(final=False)
    shown = len(HistoryReader(tmp_path).table("reports"))
    again = History(tmp_path, SMALL)
    assert (again.state, again.fused_octets) == (b"state", 60)
    assert len(HistoryReader(tmp_path).table("reports")) == shown  # nothing is lost before the first commit
    again.commit(b"state", 60)
    assert len(HistoryReader(tmp_path).table("reports")) == shown - len(list(reports_in(events[60])))
    again.abandon()


def test_a_damaged_database_is_made_anew_and_a_second_writer_is_refused(tmp_path):
    (tmp_path / HISTORY_NAME).write_bytes(b"no database, but long enough to be looked at" * 100)
    history = History(tmp_path, SMALL)
    assert history.state is None
    with pytest.raises(ConfigError, match="locked"):
        History(tmp_path, SMALL)
    history.abandon()


def test_the_command_query(written, capsys, tmp_path):
    folder = str(written)
    assert main(["query", folder, "SELECT * FROM tracks"]) == 0
    assert "track_id" in capsys.readouterr().out
    sql = "SELECT sensor_id, count(*) AS n FROM reports GROUP BY ALL ORDER BY ALL"
    assert main(["query", folder, sql, "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sensor_id,n"
    assert [int(line.split(",")[0]) for line in lines[1:]] == [1, 2, 3]
    assert main(["query", folder, "SELECT utc, value FROM counters, events LIMIT 1", "--format", "json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert set(row) == {"utc", "value"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9}Z?", row["utc"])
    assert main(["query", folder, "SELECT utc FROM events LIMIT 1", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == row["utc"]
    out = tmp_path / "rows.parquet"
    assert main(["query", folder, "SELECT * FROM track_updates", "--format", "parquet", "--out", str(out)]) == 0
    import pyarrow.parquet as pq

    assert pq.read_table(out).column_names[:2] == ["track_id", "time_ns"]
    for argv, word in (
        (["query", folder, "SELECT nothing FROM tracks"], "nothing"),
        (["query", folder, "SELEC"], "SELEC"),
        (["query", folder, ";"], "gives rows"),
        (["query", folder, "SELECT CAST(kind AS INTEGER) FROM events"], "Could not convert"),
        (["query", str(tmp_path / "none"), "SELECT 1"], "wanted the folder of a ground process"),
        (["query", folder, "SELECT 1", "--format", "parquet"], "give --out"),
    ):
        assert main(argv) == 2
        assert word in capsys.readouterr().err


def test_configuration_that_cannot_work_is_refused():
    for wrong in ("commit_s = 0.0", "part_s = 0.5", "part_rows = 1"):
        with pytest.raises(ConfigError, match=wrong.split()[0]):
            parse_config(wrong, HistoryConfig, "test")


def test_a_history_of_a_version_that_told_no_pointing_is_read(events, tmp_path):
    """The table is taken out, as an earlier version left it; one that every version has must be there."""
    history = History(tmp_path)
    for batch in events:
        history.add(batch, 3)
    history.commit(b"", 1)
    history.abandon()
    told = HistoryReader(tmp_path).table("pointing")
    assert set(told["sensor_id"].to_pylist()) == {1, 2, 3}
    assert (told["stated_rad"].to_numpy() > 0.0).all()
    with closing(sqlite3.connect(tmp_path / HISTORY_NAME)) as connection:
        connection.execute("DROP TABLE pointing")
        connection.execute("DROP TABLE closing_pointing")
        connection.commit()
        assert len(HistoryReader(tmp_path).table("pointing")) == 0
        assert len(HistoryReader(tmp_path).table("reports")) > 100
        connection.execute("DROP TABLE reports")
        connection.commit()
    with pytest.raises(ConfigError, match="no such table: reports"):
        HistoryReader(tmp_path)

"""Makes the golden run that `tests/hil/test_replay.py` replays; a change of it is explained in the changelog.

usage: python -m tests.hil.golden
"""

import shutil
import sqlite3
import tempfile
import tomllib
from contextlib import closing
from pathlib import Path

import h5py
import tomli_w

from lookdown.hil.__main__ import main

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
KEPT = ("run/ground.toml", "run/scenario.toml")


def scenario() -> str:
    """Two small cameras of the test scenario, four seconds, a frame torn and the process killed on the way."""
    values = tomllib.loads((HERE / "small.toml").read_text(encoding="utf-8"))
    values |= {"name": "golden", "title": "Golden run", "duration_s": 4.0, "requirement": []}
    values["sensor"] |= {"rows": 48, "cols": 64, "bits": 14}
    values["scene"]["texel_m"] = 120.0
    for mover, lon_deg in zip(values["mover"], (-9.51, -9.495), strict=True):
        mover["start"] |= {"lat_deg": 42.998, "lon_deg": lon_deg}
    values["fault"] = [
        {"id": "F1", "kind": "torn", "frame": 6},
        {"id": "F2", "kind": "killed", "frame": 20, "frames": 2},
    ]
    return tomli_w.dumps(values)


def make() -> None:
    """Run the scenario on a stepped clock and keep what a replay needs, frames compressed."""
    with tempfile.TemporaryDirectory() as scratch:
        path, out = Path(scratch) / "golden.toml", Path(scratch) / "run"
        path.write_text(scenario(), encoding="utf-8")
        rig = HERE.parents[1] / "config" / "rig" / "in-process.toml"
        if main(["rig", str(rig), str(path), "--out", str(out)]) == 2:
            raise SystemExit("the golden run did not come about")
        shutil.rmtree(GOLDEN, ignore_errors=True)
        shutil.copytree(out / "ground", GOLDEN / "ground")
        _without_journal(GOLDEN / "ground" / "history.sqlite")
        for name in KEPT:
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(out / name, GOLDEN / name)
        _blank_folder(GOLDEN / "run" / "ground.toml")
        _compress(out / "frames.h5", GOLDEN / "frames.h5")


def _without_journal(path: Path) -> None:
    """Let readers of the history leave no files beside it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")


def _blank_folder(path: Path) -> None:
    """Take the scratch folder out of the configuration."""
    values = tomllib.loads(path.read_text(encoding="utf-8")) | {"folder": "ground"}
    path.write_text(tomli_w.dumps(values), encoding="utf-8")


def _compress(source: Path, target: Path) -> None:
    with h5py.File(source, "r") as full, h5py.File(target, "w") as small:
        for name, value in full.attrs.items():
            small.attrs[name] = value
        for name, group in full.items():
            for key, values in group.items():
                small.create_dataset(
                    f"{name}/{key}", data=values[...], compression="gzip", compression_opts=9, shuffle=True
                )


if __name__ == "__main__":
    make()

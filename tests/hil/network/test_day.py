"""A short day of a small network: everything is delivered once; the command writes its plan, figures and picture."""

import json
from pathlib import Path
from typing import Any

import pytest

from lookdown.hil.__main__ import main
from lookdown.hil.network.day import DayPlan, contacts_of, run_day
from lookdown.wire.relay.plan import read_plan


def test_the_same_seed_gives_the_same_day_and_all_arrives_once() -> None:
    plan = DayPlan(walker="75:60/6/1", hours=0.5, messages=60, deaths=2)
    contacts = contacts_of(plan)
    one, two = (run_day(plan, contacts).figures for _ in range(2))
    assert one == two
    sent = one["messages"]
    assert sent["sent"] > 50
    assert sent["delivered"] + sent["held at the end"] >= sent["sent"]
    assert sent["delivered"] > 40
    assert sent["delivered twice"] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_command_writes_plan_figures_and_picture(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "network"
    given = ["--walker", "75:60/6/1", "--hours", "0.2", "--messages", "20", "--deaths", "0"]
    assert main(["network", "--out", str(out), *given]) == 0
    assert "messages delivered (0 twice)" in capsys.readouterr().out
    assert len(read_plan(out / "plan.txt")) == json.loads((out / "network.json").read_text())["contacts"]
    assert (out / "network.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_is_refused(tmp_path: Path, capsys: Any) -> None:
    assert main(["contacts", "--out", str(tmp_path / "plan.txt"), "--walker", "600"]) == 2
    assert "Walker design wanted" in capsys.readouterr().err
    assert main(["network", "--out", str(tmp_path), "--hours", "0"]) == 2
    assert "hours: wanted more than 0" in capsys.readouterr().err
    assert main(["network", "--out", str(tmp_path), "--ground-kbit", "0"]) == 2
    assert "ground_bits_per_s: wanted more than 0" in capsys.readouterr().err


@pytest.mark.parametrize("deaths", [0, 5])
def test_a_load_that_fills_stores_costs_the_lowest_priorities_and_each_loss_is_counted(deaths: int) -> None:
    """Few satellites, far more octets than they can carry to the ground in time; what the dead had counted counts."""
    plan = DayPlan(
        walker="75:24/4/1",
        hours=1.5,
        messages=1200,
        octets=60_000,
        lifetime_s=1200.0,
        deaths=deaths,
        capacity_octets=1024 * 1024,
    )
    result = run_day(plan, contacts_of(plan))
    sent, relays = result.figures["messages"], result.figures["relays"]
    assert sent["delivered twice"] == 0
    assert plan.capacity_octets * 0.9 < result.peak_octets.max() <= plan.capacity_octets
    lost = sent["sent"] - sent["delivered"] - sent["held at the end"]
    assert 0 < lost <= relays["dropped"] + relays["expired"]
    by_priority = [len(delays) for delays in result.delays_s]
    assert by_priority[3] > by_priority[0]
    assert (sent["delivered by priority"], sum(sent["sent by priority"])) == (by_priority, sent["sent"])
    assert relays["dropped"] > 0

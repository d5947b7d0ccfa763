"""Every fault of the table on a stepped clock: the reactions, the accounts, and that both can fail."""

import copy
from pathlib import Path

import pytest

from lookdown.hil.faults.reactions import Judge
from lookdown.hil.faults.table import FAULTS
from lookdown.wire.envelope import Delivery
from tests.hil.station.conftest import Prepared, Ran


def judge(ran: Ran, reached: int | None = None, untested: tuple[tuple[int, int], ...] = ()) -> Judge:
    scenario = ran.course.scenario
    reached = scenario.n_frames if reached is None else reached
    return Judge(ran.course, ran.watch, scenario.sensor.camera, reached, untested)


def changed(ran: Ran) -> Ran:
    """The same run, whose packets a test may take away or alter."""
    watch = copy.copy(ran.watch)
    watch.reports = {key: list(came) for key, came in ran.watch.reports.items()}  # type: ignore[assignment]
    watch.health = {key: list(came) for key, came in ran.watch.health.items()}  # type: ignore[assignment]
    return Ran(ran.course, watch, ran.run, ran.folder)


def verdicts(ran: Ran, **how: object) -> dict[str, str]:
    found = {reaction.note.fault.kind: reaction.verdict for reaction in judge(ran, **how).reactions()}  # type: ignore[arg-type]
    return found | {one.requirement.id: one.verdict for one in judge(ran, **how).accounts()}  # type: ignore[arg-type]


def test_the_scenario_holds_the_whole_table(everything: Prepared) -> None:
    assert [fault.kind for fault in everything.scenario.fault].sort() == list(FAULTS).sort()
    assert {fault.kind for fault in everything.scenario.fault} == set(FAULTS)


def test_every_reaction_is_as_expected_and_every_account_balances(stepped: Ran) -> None:
    assert {name: verdict for name, verdict in verdicts(stepped).items() if verdict != "pass"} == {}
    expected, watch = stepped.course.expected[3], stepped.watch
    assert (expected.taken, expected.refused, expected.missed) == (318, 605, 6)
    assert [watch.counted(3, f"frames_{name}") for name in ("processed", "refused", "missed")] == [318, 605, 6]
    assert len(watch.boots[3]) == 5


def test_the_same_seed_gives_the_same_packets(everything: Prepared, stepped: Ran, tmp_path: Path) -> None:
    again = everything.stepped(tmp_path / "again")
    assert again.packets() == stepped.packets()
    assert again.folder.joinpath("ground/received.ldrec").read_bytes() == (
        stepped.folder.joinpath("ground/received.ldrec").read_bytes()
    )


def test_a_report_that_is_gone_fails_its_fault_and_the_account(stepped: Ran) -> None:
    ran = changed(stepped)
    del ran.watch.reports[3, 148]  # of the link that was down
    found = verdicts(ran)
    assert (found["link-down"], found["COUNT-3"], found["stopped"]) == ("fail", "fail", "pass")


def test_a_report_too_many_fails(stepped: Ran) -> None:
    ran = changed(stepped)
    ran.watch.reports[3, 39] *= 2
    assert (verdicts(ran)["repeated"], verdicts(ran)["COUNT-4"]) == ("fail", "fail")
    ran = changed(stepped)
    ran.watch.reports[3, 48] = list(ran.watch.reports[3, 47])  # the torn frame gave a report
    assert verdicts(ran)["torn"] == "fail"


def test_a_process_that_never_ended_is_no_kill(stepped: Ran) -> None:
    ran = changed(stepped)
    boot = ran.watch.reports[3, 132][0].delivery.boot_id
    for came in ran.watch.reports.values():
        came[:] = [one._replace(delivery=one.delivery._replace(boot_id=boot)) for one in came]
    found = verdicts(ran)
    assert [found[kind] for kind in ("killed", "brown-out", "flipped-spool", "flipped-parameters")] == ["fail"] * 4


def test_refusals_that_were_not_counted_fail(stepped: Ran) -> None:
    ran = changed(stepped)
    ran.watch.health[3] = [(d, h) for d, h in ran.watch.health[3] if h.frames_refused < 605]
    assert verdicts(ran)["COUNT-1"] == "fail"


def test_a_fault_that_did_not_bite_is_not_tested(stepped: Ran) -> None:
    ran = changed(stepped)
    for k in range(145, 153):
        (one,) = ran.watch.reports[3, k]
        early: Delivery = one.delivery._replace(arrival_ns=one.delivery.origin_ns)
        ran.watch.reports[3, k] = [one._replace(delivery=early)]
    assert verdicts(ran)["link-down"] == "not tested"


def test_what_a_run_did_not_reach_is_not_tested(stepped: Ran) -> None:
    found = verdicts(stepped, reached=140)
    assert (found["killed"], found["link-down"], found["COUNT-1"]) == ("pass", "not tested", "not tested")
    found = verdicts(stepped, untested=((3, 146),))
    assert (found["link-down"], found["COUNT-1"]) == ("not tested", "not tested")


@pytest.mark.parametrize("kind", ["stuck-pixel", "hot-pixel", "blinking-pixel"])
def test_a_bad_pixel_that_gives_plots_fails(stepped: Ran, kind: str) -> None:
    ran = changed(stepped)
    (note,) = [note for note in ran.course.notes if note.fault.kind == kind]
    camera = ran.course.scenario.sensor.camera
    row, col = ran.course.feeds[3].pixel(note.fault, camera.rows, camera.cols)
    state = ran.watch.reports[3, 60][0].report.state
    for k in range(note.fault.frame, note.fault.end):
        (one,) = ran.watch.reports[3, k]
        sights = one.report.sights.copy()
        if not len(sights):
            sights = ran.watch.reports[3, 139][0].report.sights[:1].copy()
        ifov = state.ifov_rad
        sights["x"][:1] = (col - 0.5 * (camera.cols - 1)) * ifov
        sights["y"][:1] = (row - 0.5 * (camera.rows - 1)) * ifov
        report = type(one.report)(
            **{name: getattr(one.report, name) for name in one.report.__slots__} | {"sights": sights}
        )
        ran.watch.reports[3, k] = [one._replace(report=report)]
    if not len(ran.watch.reports[3, note.fault.end - 1][0].report.sights):
        pytest.fail("wanted a plot to move to the pixel")
    assert verdicts(ran)[kind] == "fail"

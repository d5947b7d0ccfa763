"""The table of faults: what a scenario may break, where it breaks, and the reaction that is expected.

A fault has a name, begins at a frame, and lasts a number of frames; nothing in it depends on time, so that a stepped
run and one in real time break the same. A newcomer sees all of them on this screen.
"""

from dataclasses import dataclass
from typing import Literal

Place = Literal["frame", "pixel", "board", "link", "ground"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One line of the table.

    Attributes
    ----------
    place : str
        Where it breaks: ``frame`` (on its way to the board), ``pixel`` (in the samples), ``board`` (the onboard
        process and its files), ``link`` (board to ground), ``ground``.
    does, expects : str
        What happens, and what must follow.
    frames : int
        How long it lasts if the scenario does not say [frames].
    amount : float or None
        How much, if the scenario does not say; None where there is nothing to say.
    unit : str
        Unit of the amount.
    withholds : bool
        Whether its frames give no report: they count as no chance to see anything.
    needs : str
        What a target must be able to do: ``files`` (change its files), ``signals``, ``clock``, ``link``, or nothing.
    """

    place: Place
    does: str
    expects: str
    frames: int = 1
    amount: float | None = None
    unit: str = ""
    withholds: bool = False
    needs: str = ""


FAULTS: dict[str, Kind] = {
    "dropped": Kind("frame", "frames never reach the board", "no report of them, each counted as missed", 2,
                    withholds=True),
    "late": Kind("frame", "a frame comes late, those behind it wait", "every frame has its report", 1, 0.25, "s"),
    "repeated": Kind("frame", "a frame comes twice", "one report, the second frame refused and counted"),
    "torn": Kind("frame", "a frame breaks off", "refused and counted, no report; the next frame has its own",
                 amount=0.5, unit="of its samples", withholds=True),
    "out-of-order": Kind("frame", "a frame comes after the next one",
                         "refused as stale and counted, no report; the next frame has its own", withholds=True),
    "flipped-frame": Kind("frame", "bits of the samples flip on the way", "refused and counted, no report", 2, 3,
                          "bits", withholds=True),
    "stuck-pixel": Kind("pixel", "a pixel stands at one value", "every frame has its report; soon no plots there", 20,
                        4000, "DN"),
    "hot-pixel": Kind("pixel", "a pixel gives more than it takes", "every frame has its report; soon no plots there",
                      20, 1500, "DN"),
    "blinking-pixel": Kind("pixel", "a pixel jumps between two levels at random",
                           "every frame has its report; soon no plots there", 30, 1500, "DN"),
    "command-flood": Kind("board", "messages that are no frames come in at the door of frames",
                          "all refused and counted, every frame has its report", 5, 200, "messages a frame"),
    "flipped-parameters": Kind("board", "the process ends and a bit of its calibration flips before the next start",
                               "it refuses to start, with status 2 and the name of the file; mended, it starts", 5,
                               withholds=True, needs="files"),
    "flipped-spool": Kind("board", "the process is killed and bits of its spool flip before the next start",
                          "it starts; nothing damaged reaches the ground, nothing comes twice", 5, 64, "bits",
                          withholds=True, needs="files"),
    "killed": Kind("board", "the process is killed (SIGKILL) and started again",
                   "its reports so far are on the ground, the first frame after has its own, none comes twice", 5,
                   withholds=True, needs="signals"),
    "stopped": Kind("board", "the process stands still (SIGSTOP)", "every frame has its report afterwards", 5,
                    needs="signals"),
    "brown-out": Kind("board", "the supply fails: the process dies, the last write to the spool is torn",
                      "it starts; nothing damaged reaches the ground, nothing comes twice", 5, 900, "octets",
                      withholds=True, needs="files"),
    "disk-full": Kind("board", "the disk of the board takes no more",
                      "every frame has its report; what the spool could not take is counted", 15, needs="signals"),
    "clock-jump": Kind("board", "the clock of the board is set", "every frame has its report; health shows the jump",
                       1, -3600.0, "s", needs="clock"),
    "link-down": Kind("link", "the link is cut", "every report arrives, once, after it is mended", 15, needs="link"),
    "link-half-open": Kind("link", "the link swallows what is sent, in silence",
                           "every report arrives, once, after it is mended", 30, needs="link"),
    "link-slow": Kind("link", "the link is slow", "every report arrives, once", 15, 20_000, "bit/s", needs="link"),
    "link-lossy": Kind("link", "the link loses pieces", "every report arrives, once", 20, 0.3, "of the pieces",
                       needs="link"),
    "receiver-stall": Kind("ground", "the ground process stands still (SIGSTOP)",
                           "every report arrives, once, when it goes on", 10),
}  # fmt: skip


def faults_table() -> str:
    """Return the table in Markdown."""
    lines = ["| fault | what happens | expected | frames | amount |", "|---|---|---|---|---|"]
    for name, kind in FAULTS.items():
        amount = "" if kind.amount is None else f"{kind.amount:g} {kind.unit}"
        lines.append(f"| `{name}` | {kind.does} | {kind.expects} | {kind.frames} | {amount} |")
    return "\n".join(lines)

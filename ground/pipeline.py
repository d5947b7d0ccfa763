"""From packets to events: decode, ingest, fuse. The one road that live reception and recordings share.

What comes out depends on the packets and their order alone, so that ``fuse`` on the recording of a live run gives the
tracks of the live run, bit for bit.
"""

from collections import Counter
from dataclasses import replace

from lookdown.ground.events import Event, Happening, ReportFused
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Arrival, Ingest
from lookdown.ground.kinds import Kinds
from lookdown.ground.parameters import Parameters
from lookdown.ground.rewind import Rewind
from lookdown.wire import messages
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.messages import End, Health, Picture, PlotReport, RadarReport
from lookdown.wire.packet import decode


class Pipeline:
    """Takes packets in and gives events out; owns no socket, file or clock.

    Parameters
    ----------
    parameters : Parameters
        Of ingest and fusion; ``sensors`` must not be empty.

    Attributes
    ----------
    ingest : Ingest
        Checks and orders reports.
    fusion : Fusion
        Makes tracks.
    kinds : Kinds
        Tells what they are of.
    health : dict of int to Health
        The last health of each sensor.
    time_ns : int
        Time of the last fused report, TAI; 0 before the first [ns].
    last : PlotReport, RadarReport or None
        The last fused report.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.ingest = Ingest(parameters)
        self._parameters = parameters
        self.fusion = Fusion(parameters)
        self._rewind = Rewind(self.fusion, parameters)
        self._begun = 0
        self.kinds = Kinds(parameters.irradiance_per_dn_w_m2)
        self.health: dict[int, Health] = {}
        self.time_ns = 0
        self.last: PlotReport | RadarReport | None = None
        self._known = {sensor.sensor_id for sensor in parameters.sensors}
        self._boots: dict[int, int] = {}
        self._refused: Counter[tuple[int, str]] = Counter()

    @property
    def counters(self) -> Counter[tuple[int, str]]:
        """By (sensor or sender, name): what was accepted, refused by reason, fused."""
        total = self.ingest.counters + self.fusion.counters
        for (sender, reason), count in self._refused.items():
            total[sender, f"refused_{reason}"] = count
        return total

    def take(self, delivery: Delivery) -> list[Event]:
        """Take one packet in.

        Parameters
        ----------
        delivery : Delivery
            A packet as it came out of the link or a recording.

        Returns
        -------
        list of Event
            What it brought about. A refused packet is one line at its 1st, 10th, 100th ... of sender and reason, and
            counted every time.
        """
        sender = delivery.sender_id
        if self._boots.setdefault(sender, delivery.boot_id) != delivery.boot_id:
            self._boots[sender] = delivery.boot_id
            self.ingest.begin(sender)
        try:
            message = decode(delivery.packet)
            if isinstance(message, PlotReport | RadarReport):
                arrivals = self.ingest.offer(message, sender, delivery.origin_ns, delivery.arrival_ns)
                begun = self._begin_anew(sender) if self.ingest.begun > self._begun else []
                return [*begun, *self._fuse(arrivals)]
            if not isinstance(message, End | Health | messages.Event):
                raise WireError("unexpected", f"wanted a report, Health, Event or End, came {type(message).__name__}")
            if sender not in self._known and not isinstance(message, messages.Event):  # relays tell events, too
                raise WireError("unknown_sensor", f"sender {sender} wanted one of {sorted(self._known)}")
            if message.sensor_id != sender:
                raise WireError("sender", f"message of sensor {message.sensor_id} came from sender {sender}")
        except WireError as error:
            return self._refuse(sender, error)
        if isinstance(message, Health):
            self.health[sender] = message
            return []
        if isinstance(message, messages.Event):
            name = message.kind.name.lower().replace("_", " ")
            who = f"sensor {sender}" if sender in self._known else f"node {sender}"
            return [Happening("onboard", self.time_ns, sender, f"{who}, {name}: {message.text}")]
        end = Happening("end", self.time_ns, sender, f"sensor {sender} ended, {message.frames_processed} frames")
        return [end, *self._fuse(self.ingest.end(sender))]

    def picture(self) -> Picture:
        """Return the tracks at the time of the last fused report, with their kinds."""
        picture = self.fusion.picture(self.time_ns)
        tracks = tuple(replace(track, kind=self.kinds.posterior(track.id)) for track in picture.tracks)
        return replace(picture, tracks=tracks)

    def finish(self) -> list[Event]:
        """Fuse what still waits: nothing more will come."""
        return [*self._fuse(self.ingest.flush()), *self._rewind.catch_up()]

    def _begin_anew(self, sender: int) -> list[Event]:
        """Fuse from nothing on: one sensor alone was ahead, and others agree on an earlier time."""
        ahead = ", ".join(
            str(sensor) for (sensor, name), n in self.ingest.counters.items() if name == "clock_ahead" and n
        )
        text = f"the order of time begins anew with sensor {sender}: the clock of sensor {ahead} alone is ahead"
        counters, self.fusion = self.fusion.counters, Fusion(self._parameters)
        self.fusion.counters.update(counters)
        self._rewind = Rewind(self.fusion, self._parameters)
        self._begun, self.time_ns, self.last = self.ingest.begun, 0, None
        return [Happening("refused", self.time_ns, sender, text)]

    def _fuse(self, arrivals: list[Arrival]) -> list[Event]:
        events = self._rewind.step(arrivals)
        for event in events:
            if isinstance(event, ReportFused):
                self.kinds.note(event)
        for arrival in arrivals:
            if arrival.report.time_ns >= self.time_ns:  # others came late
                self.last, self.time_ns = arrival.report, arrival.report.time_ns
        return events

    def _refuse(self, sender: int, error: WireError) -> list[Event]:
        self._refused[sender, error.reason] += 1
        count = self._refused[sender, error.reason]
        if count != 10 ** (len(str(count)) - 1):
            return []
        return [Happening("refused", self.time_ns, sender, f"sender {sender}, {count} so far: {error}")]

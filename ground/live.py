"""The ground process, live: the shell around `Pipeline` that owns sockets, files and the clock.

One loop: take packets from the link, store them, acknowledge them, fuse them, note history, publish the picture. A
packet is acknowledged only after it is stored, so that what was acknowledged is never lost: a process that is started
again on the same folder takes up the last state of the history, fuses the rest of the recording, stands where the other
fell, and goes on.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import zmq

from lookdown.ground.config import GroundConfig
from lookdown.ground.events import Event, Happening
from lookdown.ground.history import History, has_parts
from lookdown.ground.outputs.points import Platform, Points, is_believed, points_of_picture
from lookdown.ground.outputs.stream import Output
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.snapshot import freeze, thaw
from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.end_to_end import PacketOpener
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.link import UNKNOWN, LinkReceiver
from lookdown.wire.messages import End, Health
from lookdown.wire.packet import Message, decode, encode
from lookdown.wire.recording import MAGIC, Recorder, Recording
from lookdown.wire.relay.inlet import RelayInlet
from lookdown.wire.security import UNSECURED, security_of
from lookdown.wire.sockets import attach
from lookdown.wire.topics import HEALTH, PICTURE

RECORDING_NAME = "received.ldrec"

_LOG = logging.getLogger(__name__)
_WAIT_MS = 50  # longest wait for packets: how late a stop or a picture may be
_LINGER_NS = NS_PER_S  # after the last end: a sender whose acknowledgement got lost asks again
_HEALTH_NS = NS_PER_S
_REFUSALS_NS = NS_PER_S // 2
_LAST_WORD_MS = 200  # for the last picture to leave
_COMMIT_SHARE = 0.05  # of the time, at most, goes into commits
_COMMIT_REPLAYED = 5_000  # packets that a replay fuses between commits


class Ground:
    """The ground process.

    Parameters
    ----------
    config : GroundConfig
        Endpoints, folder, parameters.
    context : zmq.Context
        Context of the process.
    clock : Clock
        Stamps arrivals and results; its steady reading paces pictures and commits.

    Raises
    ------
    ConfigError
        If the configuration lacks what a live process needs, or the folder or an endpoint cannot be used.
    """

    def __init__(self, config: GroundConfig, context: "zmq.Context[zmq.Socket[bytes]]", clock: Clock) -> None:
        if not config.endpoint:
            raise ConfigError("endpoint: wanted where to bind, such as tcp://*:5600, got nothing; add it")
        if not config.fusion.sensors:
            raise ConfigError("fusion.sensors: wanted the expected sensors, got none; add [[fusion.sensors]] tables")
        self._config = config
        self._clock = clock
        self._publisher: zmq.Socket[bytes] | None = None
        self._published: Counter[str] = Counter()
        self._picture_due_ns = self._health_due_ns = self._refusals_due_ns = self._commit_due_ns = 0
        with contextlib.ExitStack() as opened:
            heard = self._open_recording(config)
            opened.callback(self._recorder.close)
            self._history = History(config.folder, config.history)
            opened.callback(self._history.abandon)
            self._pipeline = self._resume()
            allowed = [sensor.sensor_id for sensor in config.fusion.sensors]
            security = security_of(config.security)
            if security is None:
                _LOG.warning(UNSECURED)
            opener = PacketOpener(security) if security and config.security.sealed else None
            self._receiver = LinkReceiver(
                context, config.endpoint, clock, allowed, resume=heard, security=security, opener=opener
            )
            opened.callback(self._receiver.close)
            self._inlet = None
            if config.relay_store:
                self._inlet = RelayInlet(
                    config.relay_store, allowed, clock, config.relay_wait_s, opener=opener, resume=heard
                )
                opened.callback(self._inlet.close)
            if config.picture_endpoint:
                publisher = context.socket(zmq.PUB)
                publisher.sndhwm = PICTURE.high_water_mark
                attach(publisher, config.picture_endpoint, bind=True)
                opened.callback(publisher.close, linger=_LAST_WORD_MS)
                self._publisher = publisher
            self._outputs = [Output(output, context, clock) for output in config.outputs]
            for output in self._outputs:
                opened.callback(output.close)
            self._opened = opened.pop_all()

    def run(self, stopped: Callable[[], bool], progress: Callable[[str], None]) -> dict[str, Any]:
        """Receive and fuse until told to stop, or until all sensors ended if configured so.

        Parameters
        ----------
        stopped : callable
            Asked every turn of the loop.
        progress : callable
            Told one line a second.

        Returns
        -------
        dict
            Counters of the run.
        """
        linger_until_ns: int | None = None
        said_ns = 0
        while not stopped():
            self.service(_WAIT_MS)
            now_ns = self._clock.steady_ns()
            if now_ns - said_ns >= NS_PER_S:
                progress(self._line())
                said_ns = now_ns
            if self._config.exit_when_all_ended and self._pipeline.ingest.all_ended:
                linger_until_ns = linger_until_ns or now_ns + _LINGER_NS
                if now_ns >= linger_until_ns:
                    break
            else:
                linger_until_ns = None  # the end was that of an earlier start, which had waited in a spool
        return self.finish()

    def service(self, timeout_ms: int) -> None:
        """Do one turn: wait at most ``timeout_ms`` for packets, then store, acknowledge, fuse, note and publish."""
        deliveries = self._receiver.service(timeout_ms)
        if self._inlet:
            deliveries += self._inlet.service()
        for delivery in deliveries:
            self._recorder.append(delivery)
        if deliveries:
            self._recorder.commit()
            self._receiver.commit()
        for delivery in deliveries:
            self._fuse(delivery)
        self._note_refusals()
        self._publish_due()
        self._commit_due()

    def finish(self) -> dict[str, Any]:
        """Fuse what waits, write counters, close everything; return the counters."""
        self._history.settle(freeze(self._pipeline, self._config.fusion), self._recorder.end)
        self._note(self._pipeline.finish())
        counters = self._counters()
        self._publish(self._pipeline.picture())
        counted = [{"format": o.config.format, "to": o.config.to, **o.counts} for o in self._outputs]
        self._history.set_counters(counters)
        self._history.close(final=self._pipeline.ingest.all_ended)
        self._opened.close()
        by_sender: dict[str, dict[str, int]] = {}
        for (sender, name), value in sorted(counters.items()):
            by_sender.setdefault(str(sender), {})[name] = value
        pointing = [asdict(error) | {"by": error.sources} for error in self._pipeline.fusion.pointing_of_all]
        return {"published": dict(self._published), "outputs": counted, "pointing": pointing, "senders": by_sender}

    def abandon(self) -> None:
        """Close everything as a kill would: what was not committed is fused anew by the next process."""
        self._opened.close()

    def _open_recording(self, config: GroundConfig) -> list[Delivery]:
        """Open the recording; return the last delivery of each start of each sender that it holds."""
        path = config.folder / RECORDING_NAME
        last: dict[tuple[int, int], Delivery] = {}
        try:
            config.folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size:
                for delivery in Recording(path):
                    last[delivery.sender_id, delivery.boot_id] = delivery
            elif has_parts(config.folder):
                raise ConfigError(f"folder {config.folder}: it holds a history without its recording; choose another")
            if last and _ended(last.values()) >= {sensor.sensor_id for sensor in config.fusion.sensors}:
                raise ConfigError(f"folder {config.folder}: it holds a finished run; choose another folder")
            self._recorder = Recorder(path, config.durable)
        except (OSError, WireError) as error:
            raise ConfigError(f"{path}: cannot record there ({error}); choose another folder") from None
        return list(last.values())

    def _resume(self) -> Pipeline:
        """Take up the state that an earlier process left, and fuse what it stored after it."""
        history, parameters = self._history, self._config.fusion
        pipeline, why = Pipeline(parameters), ""
        if history.state is not None and history.fused_octets <= self._recorder.end:
            try:
                pipeline = thaw(history.state, parameters)
            except WireError as error:
                why = f": {error}"
        if history.state is None or history.fused_octets > self._recorder.end or why:
            history.clear()
        if self._recorder.end <= len(MAGIC):
            return pipeline
        self._pipeline = pipeline
        begun, fused = history.fused_octets, 0
        recording = Recording(self._recorder.path)
        for fused, delivery in enumerate(recording.since(begun), 1):
            self._fuse(delivery)
            if fused % _COMMIT_REPLAYED == 0:
                history.commit(freeze(pipeline, parameters), recording.end)
        history.commit(freeze(pipeline, parameters), self._recorder.end)
        from_state = f"from the state at octet {begun}" if begun else f"from its beginning{why}"
        _LOG.warning("resuming %s %s: %d packets fused", recording.path, from_state, fused)
        return pipeline

    def _fuse(self, delivery: Delivery) -> None:
        health = self._pipeline.health.get(delivery.sender_id)
        self._note(self._pipeline.take(delivery))
        fresh = self._pipeline.health.get(delivery.sender_id)
        if fresh is not None and fresh is not health:
            self._publish(fresh)

    def _note(self, events: list[Event]) -> None:
        self._history.add(events, self._clock.now_ns())
        for event in events:
            if isinstance(event, Happening) and event.kind in ("refused", "onboard"):
                _LOG.warning("%s", event.text)

    def _note_refusals(self) -> None:
        """Note peers that were not let in, at most once in half a second: whoever knocks writes no history."""
        now_ns = self._clock.steady_ns()
        if now_ns < self._refusals_due_ns:
            return
        ends = [end for end in (self._receiver, self._inlet) if end]
        lines = [line for end in ends for line in end.refusals.take()]
        if lines:
            self._refusals_due_ns = now_ns + _REFUSALS_NS
            text = f"{lines[-1]}; {sum(end.refusals.count for end in ends)} refused since the start"
            self._note([Happening("refused", self._pipeline.time_ns, UNKNOWN, text)])

    def _publish_due(self) -> None:
        now_ns = self._clock.steady_ns()
        if now_ns >= self._picture_due_ns:
            self._picture_due_ns = now_ns + round(NS_PER_S / self._config.picture_rate_hz)
            self._publish(self._pipeline.picture())
        for output in self._outputs:
            output.offer(self._believed)
        if now_ns >= self._health_due_ns:
            # Again and again, because a subscriber that came late has missed the first ones.
            self._health_due_ns = now_ns + _HEALTH_NS
            for health in self._pipeline.health.values():
                self._publish(health)

    def _commit_due(self) -> None:
        now_ns = self._clock.steady_ns()
        if now_ns < self._commit_due_ns:
            return
        self._history.set_counters(self._counters())
        self._history.commit(freeze(self._pipeline, self._config.fusion), self._recorder.end)
        done_ns = self._clock.steady_ns()
        rest_ns = max(round(self._config.history.commit_s * NS_PER_S), round((done_ns - now_ns) / _COMMIT_SHARE))
        self._commit_due_ns = done_ns + rest_ns

    def _believed(self) -> Points:
        """Return confirmed and coasting tracks now, seen from where the last report's sensor was."""
        picture, last = self._pipeline.picture(), self._pipeline.last
        platform = None
        if last is not None:
            state = last.state
            platform = Platform(
                np.array([last.sensor_id]), state.position_m[None], np.array([state.position_sigma_m], np.float64)
            )
        points = points_of_picture(picture, platform)
        return points.take(is_believed(points.status))

    def _publish(self, message: Message) -> None:
        if self._publisher is None:
            return
        name = HEALTH.name if isinstance(message, Health) else PICTURE.name
        self._publisher.send_multipart([name.encode(), encode(message, self._published[name])])
        self._published[name] += 1

    def _counters(self) -> Counter[tuple[int, str]]:
        counters = self._pipeline.counters
        both = [*self._receiver.stats.items(), *(self._inlet.stats.items() if self._inlet else ())]
        for sender, counts in both:
            link = {"received": counts.received, "repeated": counts.repeated, "lost": counts.lost}
            link["refused"] = sum(counts.refused.values())
            link |= {f"link_refused_{reason}": count for reason, count in counts.refused.items()}
            for name, value in link.items():
                counters[sender, name] += value
        return counters

    def _line(self) -> str:
        fused = sum(value for (_, name), value in self._pipeline.counters.items() if name == "fused")
        picture = self._pipeline.picture()
        live = sum(track.status != 0 for track in picture.tracks)
        unknown = sum(self._receiver.stats[UNKNOWN].refused.values()) if UNKNOWN in self._receiver.stats else 0
        refused = f", {unknown} messages refused" if unknown else ""
        pointing = self._pipeline.fusion.pointing_of_all
        known = (
            f", pointing known of {sum(error.is_known for error in pointing)} of {len(pointing)}" if pointing else ""
        )
        return f"{len(self._pipeline.health)} sensors heard, {fused} reports fused, {live} tracks{known}{refused}"


def _ended(deliveries: Iterable[Delivery]) -> set[int]:
    """Senders whose last packet is their end."""
    ended = set()
    for sender, delivery in {delivery.sender_id: delivery for delivery in deliveries}.items():
        with contextlib.suppress(WireError):
            if isinstance(decode(delivery.packet), End):
                ended.add(sender)
    return ended

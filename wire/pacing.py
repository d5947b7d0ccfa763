"""Pacing: messages leave no faster than a link can carry, without a queue in front of it.

The rule is that of a leaky bucket (GCRA, ITU-T I.371): each message moves the instant at which the way is free on by
the time that it takes; the next may go as soon as that instant is no further ahead than a burst. Idle time is not
saved up.
"""

from lookdown.wire.clock import NS_PER_S

BURST_S = 0.1
"""How much may leave at once, as time on the link [s]."""


class Pacer:
    """Tells when the next message may leave.

    Parameters
    ----------
    bits_per_s : float
        Rate of the link; 0 for no bound.

    Examples
    --------
    >>> pacer = Pacer(bits_per_s=8000.0)
    >>> pacer.sent(150, now_ns=0)  # 150 ms on the link
    >>> pacer.ready(now_ns=0), pacer.due_ns
    (False, 50000000)
    """

    def __init__(self, bits_per_s: float) -> None:
        self._ns_per_octet = 8 * NS_PER_S / bits_per_s if bits_per_s else 0.0
        self._free_ns = 0
        self._burst_ns = round(BURST_S * NS_PER_S)

    @property
    def due_ns(self) -> int:
        """Steady time from which on the next message may leave [ns]."""
        return self._free_ns - self._burst_ns

    def ready(self, now_ns: int) -> bool:
        """Return whether a message may leave at steady time ``now_ns``."""
        return not self._ns_per_octet or now_ns >= self.due_ns

    def sent(self, octets: int, now_ns: int) -> None:
        """Note that a message left at steady time ``now_ns``."""
        if self._ns_per_octet:
            self._free_ns = max(self._free_ns, now_ns) + round(octets * self._ns_per_octet)

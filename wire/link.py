"""The link over ZeroMQ: many senders (DEALER, connect), one receiver (ROUTER, bind), nothing lost silently.

`LinkSender` and `LinkReceiver` own the sockets and nothing else; what is sent, taken, acknowledged and counted is
decided by `Outbox` and `Inbox`. Neither has a thread: the owner calls ``service``, which does what is due, waits at
most as long as it is told, and is bounded in what it does. The rules stand in ``docs/link.md``.
"""

from lookdown.wire.envelope import Delivery
from lookdown.wire.inbox import UNKNOWN, ReceiverCounts
from lookdown.wire.outbox import LinkLimits, SenderCounts
from lookdown.wire.receiver import LinkReceiver
from lookdown.wire.sender import LinkSender, draw_boot_id

__all__ = [
    "UNKNOWN",
    "Delivery",
    "LinkLimits",
    "LinkReceiver",
    "LinkSender",
    "ReceiverCounts",
    "SenderCounts",
    "draw_boot_id",
]

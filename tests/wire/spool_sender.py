"""A sender with a spool, to be killed: offers numbers and says which are promised.

usage: python -m tests.wire.spool_sender ENDPOINT SPOOL FIRST COUNT
Prints the last number promised after each turn; ends when all COUNT numbers from FIRST on are acknowledged.
"""

import sys
from pathlib import Path

import zmq

from lookdown.wire.clock import SystemClock
from lookdown.wire.link import LinkLimits, LinkSender, draw_boot_id
from lookdown.wire.spool import Spool

PER_TURN = 7


def main(endpoint: str, path: str, first: int, count: int) -> None:
    context = zmq.Context()
    spool = Spool(Path(path), 7, draw_boot_id())
    limits = LinkLimits(window=16, capacity=100_000, resend_after_s=0.5)
    link = LinkSender(context, endpoint, 7, SystemClock(), spool=spool, limits=limits)
    offered = first
    while offered < first + count or not link.idle:
        for _ in range(min(PER_TURN, first + count - offered)):
            link.offer(b"%d" % offered, offered % 4)
            offered += 1
        link.service(1)
        print(offered, flush=True)
    link.close()
    context.term()
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

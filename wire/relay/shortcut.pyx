"""The short way through a relay: what is certain to go on at once goes on before the relay's books know of it.

Between two messages a relay says where a message for a destination would go next, over which socket, until when and how
much of it (`Opening`). A message that fits is checked, gets the number of its transfer and leaves; the frame waits for
the books, which are written a little later, all together, by the same rules as ever: they come to the same message, or
what left is one transfer more, which harms nothing (no number of it is believed, and its bundle is known by its name).

What does not fit (a bundle for this node, one that is known already, a report, a neighbour that is not the one that its
key names, octets that are none) is given back untouched. A signal that custody was taken waits for the books, too.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import zmq
from google_crc32c import value as crc32c

cdef enum:
    NODE_OCTETS = 2
    HEAD_OCTETS = 11  # node, kind, number of the transfer
    BUNDLE_OCTETS = 44  # header and CRC
    MOST_OCTETS = 65536 + BUNDLE_OCTETS
    BUNDLE = 1
    CUSTODY = 2
    CUSTODY_OCTETS = 34
    VERDICT_AT = 29
    TAKEN = 0
    PRIORITIES = 4

cdef int64_t NS = 1000000000
cdef int64_t BURST_NS = 1000000
cdef int NOBLOCK = zmq.NOBLOCK


cdef uint64_t big_endian(const uint8_t* octets, int count) noexcept nogil:
    cdef uint64_t found = 0
    cdef int i
    for i in range(count):
        found = found << 8 | octets[i]
    return found


cdef class Opening:
    """What a neighbour takes without asking the books.

    Parameters
    ----------
    peer : int
        The neighbour.
    send : callable
        Sends octets to it without waiting, given them and flags.
    until_ns : int
        Until when that holds [ns].
    bits_per_s : int
        Rate of the contact [bit/s].
    free_ns : int
        When the contact has sent what it was given [ns].
    room : int
        Messages that its window takes.
    """

    cdef readonly int peer
    cdef object send
    cdef int64_t until_ns, bits_per_s, free_ns, room

    def __init__(self, int peer, object send, int64_t until_ns, int64_t bits_per_s, int64_t free_ns, int64_t room):
        self.peer, self.send, self.until_ns = peer, send, until_ns
        self.bits_per_s, self.free_ns, self.room = bits_per_s, free_ns, room


cdef class Shortcut:
    """Passes messages of neighbours on.

    Parameters
    ----------
    node : int
        The relay.
    secured : bool
        Whether a message counts only from a connection that is known by its key.
    most : int
        Messages that may wait for the books.
    """

    cdef readonly list waiting
    """For the books: what came, when [ns], and (neighbour, message) that left; None: nothing did.

    What came is a frame of a neighbour, or what `start` was given.
    """
    cdef readonly dict known
    """Nodes by the key of their connection, as ``User-Id`` says it; kept by the owner."""
    cdef readonly set passed
    """Names (source, boot, sequence) of bundles among them."""
    cdef uint8_t[2] prefix
    cdef bint secured
    cdef Py_ssize_t most
    cdef dict openings
    cdef object held, delivered
    cdef uint64_t number
    cdef int64_t room, room_octets, longest

    def __init__(self, int node, bint secured, Py_ssize_t most):
        self.prefix[0], self.prefix[1] = node >> 8, node & 255
        self.secured, self.most = secured, most
        self.waiting, self.known, self.openings, self.passed = [], {}, {}, set()
        self.held = self.delivered = ()

    def open(
        self, dict openings not None, object held, object delivered, uint64_t number,
        int64_t room, int64_t room_octets, int64_t longest,
    ):
        """Say what may pass from now on.

        Parameters
        ----------
        openings : dict of int to Opening
            By destination.
        held, delivered : container of tuple
            Names (source, boot, sequence) of bundles that are known, as they are at each time.
        number : int
            Number of the next transfer.
        room, room_octets : int
            Bundles and octets that can be held in addition.
        longest : int
            Octets of the longest bundle for which the routes hold.
        """
        self.openings, self.held, self.delivered, self.number = openings, held, delivered, number
        self.room, self.room_octets, self.longest = room, room_octets, longest

    def take(self):
        """Return what waits for the books, and let nothing pass until `open` is called again."""
        waiting, self.waiting, self.openings = self.waiting, [], {}
        self.passed.clear()
        return waiting

    def pass_on(self, object socket, object clock):
        """Take messages of a socket as long as each passes or can wait.

        Parameters
        ----------
        socket : zmq.Socket
            What comes from the neighbours.
        clock : Clock
            The time.

        Returns
        -------
        zmq.Frame or None
            A message that does not pass, for the books at once; None if no more came.
        """
        cdef object frame
        while len(self.waiting) < self.most:
            try:
                frame = socket.recv(NOBLOCK, copy=False)
            except zmq.Again:
                return None
            if not self._passes(frame, clock):
                return frame
            if len(self.waiting) == 1:  # most come alone: to look for more takes longer than to be told
                break
        return None

    def start(self, bytes octets not None, object request, int64_t now_ns):
        """Take a bundle made here: it leaves if it is certain to go on; either way it waits for the books.

        Parameters
        ----------
        octets : bytes
            The bundle.
        request : object
            What the books shall be given.
        now_ns : int
            Time, TAI [ns].
        """
        if not self._leaves(bytes((0, 0, BUNDLE)) + bytes(8) + octets, request, now_ns):
            self.waiting.append((request, now_ns, None))
            self.openings = {}  # nothing leaves before what waits for the books

    cdef bint _passes(self, object frame, object clock) except -1:
        cdef bytes data = frame.bytes
        cdef const uint8_t* octets = <const uint8_t*> <const char*> data
        cdef Py_ssize_t size = len(data)
        if frame.more or size < HEAD_OCTETS:
            return False
        cdef int node = <int> big_endian(octets, NODE_OCTETS)
        if self.secured and self.known.get(frame.get("User-Id")) != node:
            return False
        if octets[NODE_OCTETS] == CUSTODY:
            if size != CUSTODY_OCTETS or octets[VERDICT_AT] != TAKEN:
                return False
            self.waiting.append((frame, clock.now_ns(), None))
            return True
        return octets[NODE_OCTETS] == BUNDLE and self._leaves(data, frame, clock.now_ns())

    cdef bint _leaves(self, bytes data, object came, int64_t now_ns) except -1:
        """Send a message on to the next node, if all is certain; ``data`` has the room of a hop's head."""
        cdef const uint8_t* octets = <const uint8_t*> <const char*> data
        cdef const uint8_t* bundle = octets + HEAD_OCTETS
        cdef Py_ssize_t size = len(data) - HEAD_OCTETS
        if not BUNDLE_OCTETS < size <= min(self.longest, MOST_OCTETS):
            return False
        cdef Opening way = self.openings.get(<int> big_endian(bundle + 6, 2))
        if way is None or bundle[0] != b"L" or bundle[1] != b"B" or bundle[2] != 1 or bundle[3] >= PRIORITIES:
            return False
        cdef tuple name = (
            <int> big_endian(bundle + 4, 2), big_endian(bundle + 8, 8), big_endian(bundle + 16, 8)
        )
        cdef int64_t created_ns = <int64_t> big_endian(bundle + 24, 8)
        cdef int64_t expires_ns = <int64_t> big_endian(bundle + 32, 8)
        cdef int64_t leaves_ns = max(now_ns, way.free_ns) + (8 * size * NS + way.bits_per_s - 1) // way.bits_per_s
        if not (
            name[0] and name[1] and name[2] and 0 <= created_ns < expires_ns <= 1 << 62 and expires_ns > now_ns
            and leaves_ns <= way.until_ns and way.free_ns <= now_ns + BURST_NS and way.room
            and self.room and size <= self.room_octets
            and name not in self.held and name not in self.delivered and name not in self.passed
            and crc32c(data[HEAD_OCTETS:HEAD_OCTETS + size - 4]) == big_endian(octets + HEAD_OCTETS + size - 4, 4)
        ):
            return False
        cdef bytearray left = bytearray(data)
        cdef uint8_t* out = <uint8_t*> <char*> left
        out[0], out[1] = self.prefix[0], self.prefix[1]
        cdef int i
        for i in range(8):
            out[3 + i] = <uint8_t> (self.number >> (56 - 8 * i))
        try:
            way.send(left, NOBLOCK)
        except zmq.Again:
            return False
        way.free_ns = leaves_ns
        way.room -= 1
        self.room -= 1
        self.room_octets -= size
        self.number += 1
        self.passed.add(name)
        self.waiting.append((came, now_ns, (way.peer, left)))
        return True

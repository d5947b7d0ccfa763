"""What is remembered in memory of packets that wait: sequence and size, eight octets each, the oldest first."""

from array import array
from collections.abc import Iterator

_OCTET_BITS = 17  # the longest packet has 65,542 octets
_OCTET_MASK = (1 << _OCTET_BITS) - 1
_COMPACT_AFTER = 4096


class Lane:
    """A queue of (sequence, octets), in order of sequence.

    Examples
    --------
    >>> lane = Lane()
    >>> lane.append(5, 190)
    >>> lane.append(9, 200)
    >>> lane.pop(), len(lane), list(lane)
    ((5, 190), 1, [(9, 200)])
    """

    __slots__ = ("_first", "_items")

    def __init__(self) -> None:
        self._items = array("Q")
        self._first = 0

    def __len__(self) -> int:
        return len(self._items) - self._first

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for at in range(self._first, len(self._items)):
            yield self._items[at] >> _OCTET_BITS, self._items[at] & _OCTET_MASK

    def append(self, sequence: int, octets: int) -> None:
        """Add a packet after all others."""
        self._items.append(sequence << _OCTET_BITS | octets)

    @property
    def first(self) -> int:
        """Sequence of the oldest; IndexError if there is none."""
        return self._items[self._first] >> _OCTET_BITS

    def next(self, count: int) -> list[int]:
        """Return the sequences of the oldest, up to so many."""
        return [item >> _OCTET_BITS for item in self._items[self._first : self._first + count]]

    def pop(self) -> tuple[int, int]:
        """Take off the oldest; IndexError if there is none."""
        item = self._items[self._first]
        self.drop(1)
        return item >> _OCTET_BITS, item & _OCTET_MASK

    def drop(self, count: int) -> None:
        """Take off so many of the oldest."""
        self._first += count
        if self._first > _COMPACT_AFTER and 2 * self._first > len(self._items):
            del self._items[: self._first]
            self._first = 0

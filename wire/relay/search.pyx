"""Earliest arrival at every node over contacts that come and go: Dijkstra's search with times as labels.

Who arrives at a node earlier can wait there, so the first arrival at a node is final (Cooke and Halsey 1966; for
contact plans: Fraire, De Jonckere and Burleigh 2021, "Routing in the space internet: a contact graph routing
tutorial"). A message of ``bits`` that is at a sender at ``t`` arrives over a contact at

    ``max(t, start, dead until) + bits / rate + delay``,  if it has left the sender by the end of the contact;

it leaves later if it would come to a node that is dead until then.

Contacts stand edge by edge (an ordered pair of nodes), edges sender by sender, each list in order of time.
"""

from libc.stdint cimport int32_t, int64_t

import numpy as np

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef int64_t NS = 1000000000
UNREACHED = 0x7FFFFFFFFFFFFFFF


cdef void sift_up(int32_t* heap, int32_t* place, const int64_t* key, Py_ssize_t at) noexcept nogil:
    cdef int32_t node = heap[at]
    cdef Py_ssize_t up
    while at:
        up = (at - 1) >> 1
        if key[heap[up]] <= key[node]:
            break
        heap[at] = heap[up]
        place[heap[at]] = <int32_t> at
        at = up
    heap[at] = node
    place[node] = <int32_t> at


cdef void sift_down(int32_t* heap, int32_t* place, const int64_t* key, Py_ssize_t size) noexcept nogil:
    cdef int32_t node = heap[0]
    cdef Py_ssize_t at = 0, down = 1
    while down < size:
        if down + 1 < size and key[heap[down + 1]] < key[heap[down]]:
            down += 1
        if key[heap[down]] >= key[node]:
            break
        heap[at] = heap[down]
        place[heap[at]] = <int32_t> at
        at = down
        down = 2 * at + 1
    heap[at] = node
    place[node] = <int32_t> at


def earliest_arrival(
    const int32_t[::1] first_edge not None,
    const int32_t[::1] receiver not None,
    const int32_t[::1] first_contact not None,
    const int64_t[::1] start_ns not None,
    const int64_t[::1] end_ns not None,
    const int64_t[::1] bits_per_s not None,
    const int64_t[::1] delay_ns not None,
    const int64_t[::1] edge_until_ns not None,
    const int64_t[::1] node_until_ns not None,
    Py_ssize_t source,
    int64_t now_ns,
    int64_t bits,
    int64_t[::1] arrival_ns not None,
    int32_t[::1] by_edge not None,
    int32_t[::1] by_contact not None,
    int32_t[::1] hop not None,
):
    """Find when a message that is at ``source`` now can be at each node, and over which neighbour it must go first.

    Parameters
    ----------
    first_edge : ndarray of int32, shape (n + 1,)
        Edges of sender ``i``: ``first_edge[i]`` up to ``first_edge[i + 1]``.
    receiver : ndarray of int32, shape (e,)
        Node at the end of each edge.
    first_contact : ndarray of int32, shape (e + 1,)
        Contacts of each edge, in order of time, without overlap.
    start_ns, end_ns : ndarray of int64, shape (c,)
        When a contact begins and ends [ns].
    bits_per_s : ndarray of int64, shape (c,)
        Rate, above zero [bit/s].
    delay_ns : ndarray of int64, shape (c,)
        Delay on the way [ns].
    edge_until_ns, node_until_ns : ndarray of int64, shape (e,), (n,)
        Until when an edge or a node counts as dead; less than ``now_ns`` for those alive [ns].
    source : int
        The node that asks.
    now_ns : int
        Present time [ns].
    bits : int
        Size of the message [bit].
    arrival_ns : ndarray of int64, shape (n,)
        First arrival at each node; `UNREACHED` where there is none [ns].
    by_edge, by_contact : ndarray of int32, shape (n,)
        Edge and contact over which each node is reached; -1 for none.
    hop : ndarray of int32, shape (n,)
        First node on the way to each node; -1 for none, ``source`` for itself.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or a number is out of its range.
    """
    cdef Py_ssize_t n = arrival_ns.shape[0], edges = receiver.shape[0], contacts = start_ns.shape[0]
    if not (
        first_edge.shape[0] == n + 1 and first_contact.shape[0] == edges + 1 and edge_until_ns.shape[0] == edges
        and end_ns.shape[0] == bits_per_s.shape[0] == delay_ns.shape[0] == contacts
        and node_until_ns.shape[0] == by_edge.shape[0] == by_contact.shape[0] == hop.shape[0] == n
        and (first_edge[n] == edges and first_contact[edges] == contacts)
    ):
        raise ValueError(f"arrays wanted that fit {n} nodes, {edges} edges and {contacts} contacts; build them anew")
    if not 0 <= source < n:
        raise ValueError(f"source: wanted 0 to {n - 1}, came {source}")
    if not 0 < bits <= 1 << 33:
        raise ValueError(f"bits: wanted 1 to {1 << 33}, came {bits}")
    cdef int32_t[::1] heap_of = np.empty(n, np.int32), place_of = np.full(n, -1, np.int32)
    cdef int32_t* heap = &heap_of[0]
    cdef int32_t* place = &place_of[0]
    cdef int64_t* best = &arrival_ns[0]
    cdef Py_ssize_t size = 1, e, c, low, high, middle
    cdef int32_t u, v
    cdef int64_t t, leave, arrive, ready, takes
    with nogil:
        for c in range(n):
            best[c] = NEVER
            by_edge[c] = by_contact[c] = hop[c] = -1
        best[source] = now_ns
        hop[source] = <int32_t> source
        heap[0] = <int32_t> source
        place[source] = 0
        while size:
            u = heap[0]
            size -= 1
            if size:
                heap[0] = heap[size]
                sift_down(heap, place, best, size)
            place[u] = -1
            t = best[u]
            for e in range(first_edge[u], first_edge[u + 1]):
                v = receiver[e]
                if best[v] <= t:
                    continue
                ready = max(t, edge_until_ns[e])
                if ready >= best[v]:
                    continue
                low, high = first_contact[e], first_contact[e + 1]
                while low < high:  # the first contact that ends later
                    middle = (low + high) >> 1
                    if end_ns[middle] > ready:
                        high = middle
                    else:
                        low = middle + 1
                for c in range(low, first_contact[e + 1]):
                    leave = max(ready, start_ns[c])
                    if leave >= best[v]:
                        break
                    takes = (bits * NS + bits_per_s[c] - 1) // bits_per_s[c]
                    # What comes to a dead node is gone: it waits here until it would come to a live one.
                    leave = max(leave, node_until_ns[v] - takes - delay_ns[c]) + takes
                    arrive = leave + delay_ns[c]
                    if leave <= end_ns[c] and arrive < best[v]:
                        best[v] = arrive
                        by_edge[v] = <int32_t> e
                        by_contact[v] = <int32_t> c
                        hop[v] = v if u == source else hop[u]
                        if place[v] < 0:
                            heap[size] = v
                            sift_up(heap, place, best, size)
                            size += 1
                        else:
                            sift_up(heap, place, best, place[v])

"""Routes over a contact plan: the first hop to every node by earliest arrival, anew when a node or a link dies."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lookdown.wire.relay.plan import Contact, check_contacts
from lookdown.wire.relay.search import UNREACHED, earliest_arrival

__all__ = ["UNREACHED", "Hop", "Network", "Routes"]


class Hop(NamedTuple):
    """One step of a way: who sends to whom, and when it is there [ns]."""

    sender: int
    receiver: int
    arrival_ns: int


class Network:
    """A contact plan as arrays: contacts by edge (ordered pair), edges by sender.

    Parameters
    ----------
    contacts : iterable of Contact
        The plan.
    nodes : iterable of int
        Nodes that no contact names.

    Raises
    ------
    ValueError
        A contact cannot be, or two of one pair overlap.
    """

    def __init__(self, contacts: Iterable[Contact], nodes: Iterable[int] = ()) -> None:
        plan = check_contacts(contacts)
        self.contacts = plan
        self.nodes = sorted({n for contact in plan for n in contact[:2]} | set(nodes))
        self.index = {node: i for i, node in enumerate(self.nodes)}
        pairs = sorted({contact[:2] for contact in plan})
        self.edges = {pair: e for e, pair in enumerate(pairs)}
        senders = np.array([self.index[pair[0]] for pair in pairs], np.int64)
        self.first_edge = np.searchsorted(senders, np.arange(len(self.nodes) + 1)).astype(np.int32)
        self.receiver = np.array([self.index[pair[1]] for pair in pairs], np.int32)
        edge = np.array([self.edges[contact[:2]] for contact in plan], np.int64)
        self.first_contact = np.searchsorted(edge, np.arange(len(pairs) + 1)).astype(np.int32)
        numbers = np.array([contact[2:] for contact in plan], np.int64).reshape(len(plan), 4)
        self.start_ns, self.end_ns, self.bits_per_s, self.delay_ns = (column.copy() for column in numbers.T)
        self._by_sender: dict[int, dict[int, list[Contact]]] = {}
        for contact in plan:
            self._by_sender.setdefault(contact.sender, {}).setdefault(contact.receiver, []).append(contact)

    def of_sender(self, node: int) -> dict[int, list[Contact]]:
        """Contacts in which a node sends, by receiver, in order of time."""
        return self._by_sender.get(node, {})


class Routes:
    """Routes as one node knows them: the plan, less what it heard to be dead.

    Parameters
    ----------
    network : Network
        The plan; shared by all that route over it.
    node : int
        The node at which messages are.

    Examples
    --------
    >>> network = Network([Contact(1, 2, 0, 100, 8, 5), Contact(2, 3, 50, 10**12, 8, 5)])
    >>> routes = Routes(network, 1)
    >>> routes.compute(0, bits=8)
    >>> routes.hop(3)  # one octet at 8 bit/s takes a second, and the first contact is too short
    >>> routes = Routes(network, 2)
    >>> routes.compute(0, bits=8)
    >>> routes.hop(3), routes.arrival_ns(3)
    (3, 1000000055)
    """

    def __init__(self, network: Network, node: int) -> None:
        if node not in network.index:
            raise ValueError(f"node {node}: not one of the {len(network.nodes)} nodes of the contact plan")
        self.network, self.node = network, node
        self.computed = 0
        """Computations so far."""
        n = len(network.nodes)
        self._edge_until = np.zeros(len(network.receiver), np.int64)
        self._node_until = np.zeros(n, np.int64)
        self._arrival = np.full(n, UNREACHED, np.int64)
        self._by_edge, self._by_contact, self._hop = (np.full(n, -1, np.int32) for _ in range(3))
        self._hops: list[int] = []

    def link_dead(self, sender: int, receiver: int, until_ns: int) -> bool:
        """Note until when a link is dead (0: alive); return whether that is news about a link of the plan."""
        edge = self.network.edges.get((sender, receiver))
        if edge is None or self._edge_until[edge] == until_ns:
            return False
        self._edge_until[edge] = until_ns
        return True

    def node_dead(self, node: int, until_ns: int) -> bool:
        """Note until when a node is dead (0: alive); return whether that is news about a node of the plan."""
        at = self.network.index.get(node)
        if at is None or self._node_until[at] == until_ns:
            return False
        self._node_until[at] = until_ns
        return True

    def compute(self, now_ns: int, bits: int) -> None:
        """Find the first arrival of a message of ``bits`` at every node, when it leaves this one now."""
        network = self.network
        earliest_arrival(
            network.first_edge,
            network.receiver,
            network.first_contact,
            network.start_ns,
            network.end_ns,
            network.bits_per_s,
            network.delay_ns,
            self._edge_until,
            self._node_until,
            network.index[self.node],
            now_ns,
            bits,
            self._arrival,
            self._by_edge,
            self._by_contact,
            self._hop,
        )
        self._hops = self._hop.tolist()
        self.computed += 1

    def hop(self, destination: int) -> int | None:
        """Return the neighbour over which a destination is reached first; None if it is not."""
        at = self.network.index.get(destination)
        found = -1 if at is None or not self._hops else self._hops[at]
        return None if found < 0 else self.network.nodes[found]

    def arrival_ns(self, destination: int) -> int:
        """Return the first arrival at a destination; `UNREACHED` if there is none [ns]."""
        at = self.network.index.get(destination)
        return UNREACHED if at is None else int(self._arrival[at])

    def way(self, destination: int) -> list[Hop]:
        """Return the way to a destination hop by hop; empty if there is none."""
        nodes, hops = self.network.nodes, []
        at = self.network.index.get(destination, -1)
        while at >= 0 and (contact := int(self._by_contact[at])) >= 0:
            sender, receiver = self.network.contacts[contact][:2]
            hops.append(Hop(sender, receiver, int(self._arrival[at])))
            at = self.network.index[sender]
        return hops[::-1] if hops and hops[-1].sender == nodes[self.network.index[self.node]] else []

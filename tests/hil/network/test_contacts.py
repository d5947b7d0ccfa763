"""Contact plans from orbits: lines of sight clear of the Earth, terminals enough, contacts that do not overlap."""

from itertools import pairwise

import numpy as np
import pytest

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, ecef_to_geodetic
from lookdown.geo.orbit import parse_walker
from lookdown.hil.network.contacts import STATIONS, LinkRules, Station, plan_contacts
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.errors import ConfigError
from lookdown.wire.relay.plan import Contact, check_contacts

START_NS = 1_790_000_000 * NS_PER_S
ORBITS = parse_walker("75:120/12/5", 1000e3, START_NS)
RULES = LinkRules(max_range_m=4500e3)


@pytest.fixture(scope="module")
def contacts() -> list[Contact]:
    return plan_contacts(ORBITS, STATIONS, START_NS, 3600.0, RULES)


def test_every_line_of_sight_is_clear_within_range_and_as_late_as_light(contacts: list[Contact]) -> None:
    assert len(contacts) > 500
    for contact in contacts[::7]:
        if max(contact[:2]) > 900:
            continue
        for time_ns in np.linspace(contact.start_ns, contact.end_ns, 5).astype(np.int64):
            a, b = (ORBITS[node - 1].state(time_ns)[0] for node in contact[:2])
            points = a + np.linspace(0, 1, 201)[:, None] * (b - a)
            assert ecef_to_geodetic(points)[2].min() >= RULES.grazing_height_m - 5e3  # the step is a minute
            length_m = np.linalg.norm(b - a)
            assert length_m <= RULES.max_range_m + 20e3
        middle = (contact.start_ns + contact.end_ns) // 2
        a, b = (ORBITS[node - 1].state(middle)[0] for node in contact[:2])
        assert contact.delay_ns / 1e9 == pytest.approx(np.linalg.norm(b - a) / SPEED_OF_LIGHT_M_S, rel=0.01)


def test_stations_see_satellites_above_their_least_elevation(contacts: list[Contact]) -> None:
    down = [contact for contact in contacts if contact.receiver > 900]
    assert {contact.receiver for contact in down} == {station.node for station in STATIONS}
    # At 10 degrees of elevation the range to 1000 km is 2763 km on a sphere of the mean radius.
    assert 3.3e6 < max(contact.delay_ns for contact in down) < 9.4e6


def test_no_node_has_more_links_than_terminals_and_each_goes_both_ways(contacts: list[Contact]) -> None:
    assert check_contacts(contacts) == tuple(contacts)
    assert {contact[:2] for contact in contacts} == {contact[1::-1] for contact in contacts}
    for time_ns in range(START_NS, START_NS + 3600 * NS_PER_S, 300 * NS_PER_S):
        links: dict[int, list[int]] = {}
        for contact in contacts:
            if contact.start_ns <= time_ns < contact.end_ns:
                links.setdefault(contact.sender, []).append(contact.receiver)
        for node, peers in links.items():
            ground = sum(peer > 900 for peer in peers)
            assert node > 900 or (ground <= 1 and len(peers) - ground <= RULES.per_satellite)
            assert node <= 900 or len(peers) <= RULES.per_station


def test_a_link_that_can_go_on_does() -> None:
    contacts = plan_contacts(ORBITS, (), START_NS, 1800.0, RULES)
    for one, two in pairwise(contacts):
        assert one[:2] != two[:2] or one.end_ns < two.start_ns


def test_a_station_with_the_number_of_a_satellite_is_refused() -> None:
    with pytest.raises(ConfigError, match="nodes of their own above 120"):
        plan_contacts(ORBITS, [Station(7, 0.0, 0.0)], START_NS, 60.0)

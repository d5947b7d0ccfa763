"""Roads that join: cut at shared points, gone on over junctions, measured along branches; read from GeoJSON."""

import json
import pickle

import numpy as np
import pytest

from lookdown.ground.config import GroundConfig
from lookdown.ground.parameters import Parameters
from lookdown.ground.road_files import read_roads
from lookdown.ground.roads import MOST_WAYS, RoadConfig, RoadNet
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError
from tests.ground.convoy import AIM_M, AXES, HEIGHT_M, road_through

TRUNK = [(-3000.0, 0.0), (-1000.0, 0.0), (0.0, 0.0)]
NORTH, EAST, SOUTH = [(0.0, 0.0), (0.0, 2000.0)], [(0.0, 0.0), (2500.0, 100.0)], [(0.0, -1500.0), (0.0, 0.0)]
JUNCTION = [road_through(points) for points in (TRUNK, NORTH, EAST, SOUTH)]


def at(net, edge, along):
    place, direction = net.at(np.array([edge]), np.array([along]))
    return place[0], direction[0]


def east_north(place):
    return AXES[:2] @ (place - AIM_M)


def test_a_road_is_measured_from_its_first_point_and_found_by_the_likeliest_place():
    net = RoadNet([road_through([(-4000.0, -1000.0), (-1000.0, -800.0), (1500.0, 900.0), (5000.0, 1000.0)])])
    for along in (0.0, 1234.5, float(net.length_m[0]) - 1.0):
        place, direction = at(net, 0, along)
        assert np.linalg.norm(direction) == pytest.approx(1.0)
        [found] = net.near(place, 25.0 * np.eye(3), 9.0)
        assert found.along_m == pytest.approx(along, abs=0.01)
        assert (found.variance_m2, found.square) == (pytest.approx(125.0), pytest.approx(0.0, abs=1e-6))
    # A place 300 m off where its own covariance is long: the road is met where that covariance allows.
    place, _ = at(net, 0, 2000.0)
    long = 25.0 * np.eye(3) + (300.0**2 - 25.0) * AXES[:1].T @ AXES[:1]
    [found] = net.near(place + 300.0 * AXES[0], long, 9.0)
    assert found.square < 2.0
    assert abs(found.along_m - 2000.0) < 3.0 * np.sqrt(found.variance_m2) + 310.0
    assert net.near(place + 400.0 * AXES[1], 25.0 * np.eye(3), 9.0) == []


def test_a_road_goes_on_straight_beyond_its_ends():
    net = RoadNet([JUNCTION[1]])
    assert east_north(at(net, 0, -50.0)[0]) == pytest.approx([0.0, -50.0], abs=0.1)
    assert net.ways(0, 2100.0) == [(0, 2100.0, 1)]
    assert east_north(at(net, 0, 2100.0)[0]) == pytest.approx([0.0, 2100.0], abs=0.5)


def test_roads_are_cut_where_they_share_a_point_of_either():
    """A crossing in the middle of one road and at a bend of another: four edges meet there."""
    crossing = RoadNet(
        [road_through([(-900.0, 0.0), (0.0, 0.0), (1000.0, 0.0)]), road_through([(0.0, -700.0), *NORTH])]
    )
    assert len(crossing) == 4
    assert crossing.length_m == pytest.approx([900.0, 1000.0, 700.0, 2000.0], abs=1.0)
    assert crossing.road.tolist() == [0, 0, 1, 1]
    shared, count = np.unique(crossing.nodes, return_counts=True)
    assert count.max() == 4
    assert shared.tolist() == list(range(5))
    # Where they cross without a point in common, as on a bridge, they do not join.
    assert (
        len(RoadNet([road_through([(-900.0, 0.0), (1000.0, 0.0)]), road_through([(0.0, -700.0), (0.0, 2000.0)])])) == 2
    )


def test_beyond_a_junction_a_mover_may_be_on_any_branch():
    net = RoadNet(JUNCTION)
    length = float(net.length_m[0])
    ways = net.ways(0, length + 200.0)
    places = sorted(tuple(np.round(east_north(at(net, edge, along)[0])) + 0.0) for edge, along, _ in ways)
    assert places == [(0.0, -200.0), (0.0, 200.0), (200.0, 8.0)]
    # Their senses lead away from the junction.
    for edge, along, sense in ways:
        there, direction = at(net, edge, along)
        assert direction @ (there - AIM_M) * sense > 0.0
        # And the same way back.
        back = [offset + s * along for offset, s in net.bridges(0, edge)]
        assert back == [pytest.approx(length + 200.0, abs=1e-6)]
        [(_, bridged)] = net.bridges(0, edge)
        assert bridged == sense
    assert net.ways(0, 700.0) == [(0, 700.0, 1)]
    assert net.bridges(0, 0) == [(0.0, 1)]


def test_going_back_over_a_junction_and_over_the_far_end_counts_below_zero():
    net = RoadNet(JUNCTION)
    [(offset, sense)] = net.bridges(1, 0)  # from the northern branch back onto the trunk
    assert offset + sense * 2800.0 == pytest.approx(2800.0 - float(net.length_m[0]), abs=1e-6)
    assert sorted(edge for edge, _, _ in net.ways(1, -100.0)) == [0, 2, 3]
    # Two roads end to end are one way on.
    both = RoadNet([JUNCTION[0], JUNCTION[2]])
    assert both.ways(0, float(both.length_m[0]) + 50.0) == [(1, pytest.approx(50.0), 1)]


def test_a_ring_is_reached_both_ways_round():
    ring = [road_through(TRUNK), road_through([(0.0, 0.0), (500.0, 500.0), (1000.0, 0.0)]),
            road_through([(0.0, 0.0), (500.0, -300.0), (1000.0, 0.0)])]  # fmt: skip
    net = RoadNet(ring)
    long, short, length = float(net.length_m[1]), float(net.length_m[2]), float(net.length_m[0])
    counted = sorted(offset + sense * 100.0 for offset, sense in net.bridges(0, 1))
    assert counted == [pytest.approx(length + 100.0), pytest.approx(length + short + long - 100.0)]


def test_many_branches_are_bounded():
    grid = [road_through([(0.0, 50.0 * k), *((50.0 * n, 50.0 * k) for n in range(1, 12))]) for k in range(12)]
    grid += [road_through([(50.0 * k, 0.0), *((50.0 * k, 50.0 * n) for n in range(1, 12))]) for k in range(12)]
    net = RoadNet(grid)
    assert len(net) == 2 * 12 * 11
    assert len(net.ways(0, 700.0)) <= MOST_WAYS


def test_a_network_is_pickled_as_its_roads():
    net = RoadNet(JUNCTION)
    net.bridges(0, 1)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.nodes, net.nodes)
    assert len(pickle.dumps(net)) < 3000


@pytest.mark.parametrize("points", [((1.0, 2.0, 3.0),), ((95.0, 0.0, 0.0), (1.0, 2.0, 3.0)), ((1.0, np.nan, 0.0),) * 2])
def test_a_road_that_leads_nowhere_is_refused(points):
    with pytest.raises(ValueError, match="points: wanted two or more"):
        RoadConfig(points)


def test_a_road_of_no_length_is_refused():
    with pytest.raises(ValueError, match=r"longer than 0\.2 m, got lane that is shorter"):
        RoadNet([RoadConfig(((1.0, 2.0, 3.0), (1.0, 2.0, 3.0)), "lane")])


def collection(*features):
    return {"type": "FeatureCollection", "features": list(features)}


def feature(kind, coordinates, **properties):
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def written(tmp_path, whole):
    path = tmp_path / "roads.geojson"
    path.write_text(whole if isinstance(whole, str) else json.dumps(whole))
    return path


def test_roads_are_read_from_geojson_and_join(tmp_path):
    whole = collection(
        feature("LineString", [[10.0, 40.0], [10.01, 40.0], [10.02, 40.01, 55.0]], name="A 1", width_m=12),
        feature("MultiLineString", [[[10.01, 40.0], [10.01, 40.02]], [[10.01, 40.0], [10.01, 39.98]]]),
    )
    roads = read_roads(written(tmp_path, whole), 55.0)
    assert [(road.name, road.width_m, len(road.points)) for road in roads] == [
        ("A 1", 12.0, 3),
        ("", 20.0, 2),
        ("", 20.0, 2),
    ]
    assert roads[0].points[2] == (40.01, 10.02, 55.0)
    assert roads[0].points[0] == (40.0, 10.0, 55.0)
    net = RoadNet(roads)
    assert len(net) == 4
    assert len(net.ways(0, float(net.length_m[0]) + 10.0)) == 3
    bare = {"type": "LineString", "coordinates": [[10.0, 40.0], [10.01, 40.0]]}
    assert len(read_roads(written(tmp_path, bare))) == 1
    assert len(read_roads(written(tmp_path, feature("LineString", bare["coordinates"])))) == 1


def test_a_configuration_names_files_of_roads(tmp_path):
    path = written(tmp_path, feature("LineString", [[10.0, 40.0], [10.01, 40.0]], name="one"))
    text = (
        f'[fusion]\nsurface_height_m = 70.0\nroad_files = ["{path}"]\n[[fusion.roads]]\npoints = [[1, 2, 3], [1, 3, 3]]'
    )
    fusion = parse_config(text, GroundConfig, "ground.toml").fusion
    assert [road.name for road in fusion.roads] == ["", "one"]
    assert fusion.roads[1].points[0][2] == 70.0
    assert fusion == pickle.loads(pickle.dumps(fusion))
    with pytest.raises(ConfigError, match=r"ground\.toml.*fusion.*gone\.geojson: cannot be read"):
        parse_config('fusion = { road_files = ["gone.geojson"] }', GroundConfig, "ground.toml")
    with pytest.raises(ValueError, match="cannot be read"):
        Parameters(road_files=(tmp_path,))


LINE = [[10.0, 40.0], [10.01, 40.0]]


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        ("{", r"roads\.geojson: no JSON: .* line 1, column 2"),
        ([], r"wanted GeoJSON of type FeatureCollection.*got \[\]"),
        ({"type": "Topology"}, r"wanted GeoJSON of type"),
        (collection(), r"wanted one LineString or MultiLineString or more, got none"),
        (collection({"type": "Road"}), r"feature 0: wanted an object of type Feature"),
        (collection(feature("LineString", LINE), feature("Point", [1, 2], name="lamp")),
         r"feature 1 \(lamp\): wanted a geometry of type LineString or MultiLineString, got \"Point\""),
        (collection({"type": "Feature", "geometry": None}), r"feature 0: wanted a geometry .*got null"),
        (collection(feature("LineString", [[10.0, 40.0]])), r"feature 0: wanted coordinates of two positions or more"),
        (collection(feature("LineString", [*LINE, [10.0]])), r"feature 0, position 2: wanted finite longitude"),
        (collection(feature("LineString", [[10.0, 40.0], [10.0, "x"]])), r"feature 0, position 1: wanted finite"),
        ('{"type": "LineString", "coordinates": [[1, 2], [NaN, 2]]}', r"the geometry, position 1: wanted finite"),
        (collection(feature("MultiLineString", [LINE, [[40.0, 120.0], [40.0, 121.0]]])),
         r"feature 0, line 1, position 0: wanted longitude within 180 and then latitude within 90"),
        (collection(feature("MultiLineString", [])), r"feature 0: wanted coordinates of one line or more"),
        (collection(feature("LineString", [[1, 2, 3e4], [1, 3]])), r"position 0: wanted a height within 10 km"),
        (collection(feature("LineString", LINE, width_m="wide")), r"feature 0: wanted width_m as a number"),
        (collection(feature("LineString", LINE, width_m=-1)), r"feature 0: width_m: wanted 0 to 10000, got -1"),
    ],
)  # fmt: skip
def test_what_is_no_road_is_refused_with_feature_and_position(tmp_path, whole, message):
    with pytest.raises(ValueError, match=message):
        read_roads(written(tmp_path, whole))


def test_heights_of_the_test_world_are_those_of_its_points():
    assert JUNCTION[0].points[0][2] == HEIGHT_M

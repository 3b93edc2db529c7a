"""The ways in which motion can be sent: what they cost on the wire."""

from sender.operating_points import OPERATING_POINTS, OVERHEAD_BPS


def test_no_point_costs_less_than_its_packets_headers() -> None:
    for point in OPERATING_POINTS:
        packets = 25 / point.every / point.bundle
        assert point.wire_bps(25) > packets * 8 * 70 + OVERHEAD_BPS

"""Geometry of the Earth, orbits and cameras."""

"""Simulated intervals of a multichannel radar that moves, and their closed forms."""

"""Simulation, rig and reports."""

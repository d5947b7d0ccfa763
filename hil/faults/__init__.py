"""Faults of a run: what a scenario may ask for, what each does, and what must follow."""

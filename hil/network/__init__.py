"""The relay network as a whole: contact plans from orbits, a day of it event by event, faults on its links."""

"""What moves, and how: orbits, attitudes, and the movers under them."""

"""What is seen: the Earth, its clouds, the sky above its limb, and the air between."""

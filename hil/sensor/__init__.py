"""What a sensor makes of light: optics, focal plane, noise, counts."""

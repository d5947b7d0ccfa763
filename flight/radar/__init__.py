"""The onboard radar chain: coherent processing intervals in, plots with range, range rate and angle out."""

"""Campaigns: how often the onboard chain finds what is planted in simulated frames, and how often it finds nothing."""

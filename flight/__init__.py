"""The onboard process."""

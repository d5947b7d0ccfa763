"""The ground process."""

"""Errors that carry a reason which can be counted."""


class WireError(Exception):
    """Bytes from outside that cannot be what they claim.

    Parameters
    ----------
    reason : str
        Short, stable name to count by, such as ``"crc"`` or ``"truncated"``.
    detail : str
        What was wanted, what came.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ConfigError(Exception):
    """A configuration or scenario that cannot be used; the message names file, key and cure."""


class EarlyError(WireError):
    """A packet that cannot be taken yet, and can later: its sender shall keep it."""

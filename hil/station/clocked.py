"""The onboard process on a clock that the station can set; sent to a target when a scenario sets clocks.

usage: python clocked.py FLIGHT.toml OFFSET

``OFFSET`` is a file with the seconds by which the clock is off; it is read at each reading of the clock.
"""

import sys
from pathlib import Path

from lookdown.flight.checksums import check_checksums
from lookdown.flight.config import FlightConfig
from lookdown.flight.live import run
from lookdown.wire.clock import NS_PER_S, SystemClock
from lookdown.wire.config import load_config
from lookdown.wire.errors import ConfigError


class SetClock(SystemClock):
    """The clock of the machine, off by what a file says; its steady reading is not.

    Parameters
    ----------
    offset : Path
        The file.
    """

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now_ns(self) -> int:
        """Return the present instant as this clock has it, TAI [ns]."""
        return super().now_ns() + round(float(self._offset.read_text() or "0") * NS_PER_S)


def main() -> int:
    """Run the onboard process."""
    config, offset = map(Path, sys.argv[1:3])
    try:
        check_checksums(config)
        return run(load_config(config, FlightConfig), clock=SetClock(offset))
    except ConfigError as error:
        print(f"lookdown-flight: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())

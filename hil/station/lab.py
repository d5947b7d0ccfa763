"""A board of a lab, brought within reach by labgrid: places, power and boot are its own, what runs there the rig's.

labgrid's configuration names the board: a `NetworkService` and an `SSHDriver`, here or behind the coordinator of a lab
(`RemotePlace`), and if it must be turned on or booted first, a strategy. The rig goes through the connection of the
SSHDriver, so that labgrid's proxies, keys and passwords hold for it, too.
"""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from lookdown.hil.rig import RigError
from lookdown.hil.station.config import TargetConfig


class Lab:
    """One board of a lab.

    Parameters
    ----------
    target : TargetConfig
        Of kind ``labgrid``.

    Raises
    ------
    RigError
        labgrid is not installed, or its configuration does not name such a board.
    """

    def __init__(self, target: TargetConfig) -> None:
        try:
            from labgrid import Environment
        except ImportError as error:
            raise RigError(f"labgrid cannot be imported ({error}): pip install 'lookdown[labgrid]'") from None
        self._asked = target
        if not Path(target.labgrid).is_file():
            raise RigError(f"{target.labgrid}: no such file; wanted labgrid's configuration of the board")
        with self._told("is read"):
            self._target: Any = Environment(target.labgrid).get_target(target.place)
        if self._target is None:
            raise RigError(f"{target.labgrid}: has no target {target.place!r}; set place in [target]")

    def reach(self) -> TargetConfig:
        """Bring the board up and connect to it, anew if need be; return it as a target over ssh.

        Raises
        ------
        RigError
            It cannot be brought up, or does not answer.
        """
        with self._told("brings the board up"):
            if self._asked.state:
                self._target.get_driver("Strategy").transition(self._asked.state)
            ssh = self._target.get_driver("SSHDriver", activate=False)
            with contextlib.suppress(Exception):  # a connection that broke cannot be left in good order
                self._target.deactivate(ssh)
            self._target.activate(ssh)
            address = ssh.networkservice.address
            return replace(self._asked, kind="ssh", labgrid="", host=address, ssh_options=tuple(ssh.ssh_prefix))

    def close(self) -> None:
        """Leave the board."""
        with contextlib.suppress(Exception):  # what cannot be left in good order is left all the same
            self._target.cleanup()

    @contextlib.contextmanager
    def _told(self, what: str) -> Any:
        """Tell of labgrid's errors, of whatever kind, in a line."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - labgrid's are of any kind
            said = " ".join(str(error).split()) or type(error).__name__
            raise RigError(f"{self._asked.labgrid}: labgrid {what}: {said}") from None

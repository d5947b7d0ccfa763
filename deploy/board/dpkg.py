"""The tables of dpkg in a root whose packages were unpacked from outside, so that dpkg itself can set them up there.

A package that is written down as unpacked (dpkg(1), "Status") has its files in place and its scripts still to run:
``dpkg --configure --pending`` on the machine does that, and nothing need be unpacked by an emulated processor.
"""

import email.parser
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from deploy.board.process import StepError, call

_LEFT_OUT = ("control", "conffiles")  # the first is in the table; the files of the second are in place, not to be asked


def write_tables(root: Path, archives: list[Path], log: Path) -> None:
    """Write the tables of dpkg as if it had unpacked the packages.

    Parameters
    ----------
    root : pathlib.Path
        Where they are unpacked.
    archives : list of pathlib.Path
        The packages.
    log : pathlib.Path
        Folder of logs.

    Raises
    ------
    StepError
        When a package cannot be read.
    """
    tables = root / "var/lib/dpkg"
    shutil.rmtree(tables, ignore_errors=True)
    for name in ("info", "updates", "triggers", "alternatives"):
        (tables / name).mkdir(parents=True)
    status = []
    for archive in archives:
        control = tables / "control"
        call(["dpkg-deb", "--control", str(archive), str(control)], log / "control.log")
        said = (control / "control").read_text().rstrip()
        fields = email.parser.HeaderParser().parsestr(said)
        name = fields["Package"] + (f":{fields['Architecture']}" if fields["Multi-Arch"] == "same" else "")
        status.append(f"{said}\nStatus: install ok unpacked\n")
        for file in control.iterdir():
            if file.name not in _LEFT_OUT:
                shutil.move(file, tables / "info" / f"{name}.{file.name}")
        shutil.rmtree(control)
        (tables / "info" / f"{name}.list").write_text("".join(f"{line}\n" for line in _files(archive)))
    (tables / "info/format").write_text("1\n")
    (tables / "status").write_text("\n".join(status))
    (tables / "available").touch()


def _files(archive: Path) -> list[str]:
    """Return what a package holds, as dpkg lists it."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, check=False)
    if done.returncode:
        raise StepError(f"{archive}: {done.stderr.decode().strip()}; delete it and run again")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        return [f"/{name.removeprefix('.').lstrip('/')}" if name != "." else "/." for name in packed.getnames()]

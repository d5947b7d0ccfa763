"""A root file system of the board's Python, fetched from Debian without touching this machine's packages.

Packages are downloaded with a private APT configuration (architecture arm64, own lists, an empty status file) and
unpacked into a folder: the interpreter that runs the tests under emulation and the headers that the build needs.
Raspberry Pi OS is Debian with the same packages under the same names.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.board.process import StepError, call

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR = "http://deb.debian.org/debian"


@dataclass(frozen=True)
class System:
    """An operating system of the board.

    Attributes
    ----------
    suite : str
        Debian's name of the release.
    python : str
        Version of its Python, as in ``3.11``.
    """

    suite: str
    python: str

    @property
    def packages(self) -> tuple[str, ...]:
        """Python with its headers, and the libraries that wheels count on."""
        python = f"python{self.python}"
        return f"{python}-minimal", f"lib{python}-stdlib", f"lib{python}-dev", "libstdc++6", "zlib1g"


SYSTEMS = (System("bookworm", "3.11"), System("trixie", "3.13"))
"""The systems that a bundle is for, the oldest first."""


def _configure(folder: Path, suite: str) -> dict[str, str]:
    """Environment in which apt works for arm64, below ``folder`` alone."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "state/status").touch()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (folder / "etc/sources.list").write_text(f"deb {signed}{_MIRROR} {suite} main\n")
    configuration = folder / "etc/apt.conf"
    configuration.write_text(
        f"""APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{folder}/state";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
    )
    return {"APT_CONFIG": str(configuration), "LC_ALL": "C"}


def fetch(system: System, packages: tuple[str, ...], folder: Path) -> Path:
    """Unpack packages with all they need into ``folder/root``; a root of the same versions stays as it is.

    Parameters
    ----------
    system : System
    packages : tuple of str
    folder : pathlib.Path
        Where lists, archives and the unpacked root are kept.

    Returns
    -------
    pathlib.Path
        The root.

    Raises
    ------
    StepError
        When a package cannot be found, fetched or unpacked.
    """
    folder = folder.resolve()
    environment = _configure(folder, system.suite)
    call(["apt-get", "update", "-qq"], folder / "update.log", environment)
    plan = call(["apt-get", "install", "--simulate", "-q", "-y", *packages], folder / "plan.log", environment)
    wanted = "".join(f"{line.split(' [')[0]}\n" for line in plan.splitlines() if line.startswith("Inst "))
    manifest, root = folder / "manifest", folder / "root"
    if manifest.exists() and manifest.read_text() == wanted:
        return root
    manifest.unlink(missing_ok=True)
    call(["apt-get", "clean"], folder / "clean.log", environment)
    call(["apt-get", "install", "-qq", "-y", "--download-only", *packages], folder / "download.log", environment)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for link in ("bin", "lib", "sbin"):  # one tree below /usr, as on the board
        (root / "usr" / link).mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(Path("usr") / link)
    for package in sorted((folder / "cache/archives").glob("*.deb")):
        _unpack(package, root)
    manifest.write_text(wanted)
    return root


def download(package: str, folder: Path) -> Path:
    """Fetch a package that one package stands for, such as the present kernel, without all that it needs.

    Parameters
    ----------
    package : str
        The package that depends on it.
    folder : pathlib.Path
        That of `fetch`, which must have been called.

    Raises
    ------
    StepError
        When it cannot be found or fetched.
    """
    folder = folder.resolve()
    environment = {"APT_CONFIG": str(folder / "etc/apt.conf"), "LC_ALL": "C"}
    said = call(["apt-cache", "depends", package], folder / "depends.log", environment)
    names = [line.split()[1] for line in said.splitlines() if line.strip().startswith("Depends:")]
    if len(names) != 1:
        raise StepError(f"{package}: wanted one package that it stands for, found {names}")
    place = folder / "single"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    call(["apt-get", "download", "-q", names[0]], folder / "single.log", environment, place)
    (found,) = place.glob("*.deb")
    return found


def _unpack(package: Path, root: Path) -> None:
    """Lay a package's files into the root, through its links."""
    files = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=False)
    if files.returncode:
        raise StepError(f"{package}: {files.stderr.decode().strip()}; delete it and run again")
    tar = ["tar", "-x", "-p", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
    subprocess.run(tar, input=files.stdout, check=True)


def interpreter(root: Path, system: System) -> Path:
    """Path of the root's Python."""
    return root / "usr/bin" / f"python{system.python}"

"""The disk of an emulated machine: Debian for arm64, made from its packages without root and without containers.

The packages are fetched and unpacked as for the sysroot, and written down as unpacked in dpkg's own tables (dpkg(1),
"Status"); what their scripts have to set up, the machine does itself when it starts for the first time, as after
``debootstrap --foreign``. Debian's kernel for clouds has the driver of an NVMe disk built in, so that no initial file
system is needed.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from deploy.board.dpkg import write_tables
from deploy.board.process import call
from deploy.board.sysroot import System, download, fetch

PACKAGES = (
    # apt needs none of what it fetches here, and the machine has no network but to this one.
    "?and(?essential,?not(?name(^apt$)))", "usr-is-merged", "systemd", "systemd-sysv", "udev", "kmod", "procps",
    "openssh-server", "openssl", "python3", "libstdc++6",
)  # fmt: skip
"""What is on the disk: Debian's base, systemd, a server of ssh, and what the installer of the bundle asks for."""

KERNEL = "linux-image-cloud-arm64"
_DISK_MB = 2048
FIRST_START = "/lookdown-first-start"
"""What the kernel starts instead of systemd for the first time."""

DONE = "lookdown: set up"
FAILED = "lookdown: could not be set up"
"""What the machine says on its console when it has set itself up, or could not."""


@dataclass(frozen=True)
class Image:
    """A disk with its kernel, and the keys to come in with.

    Attributes
    ----------
    disk, kernel, key, known_hosts : pathlib.Path
        An ext4 file system without partitions, the kernel, the private key of root's guest, the machine's own key.
    ready : bool
        Whether what the disk is for is done: the machine has set itself up; on a copy, a bundle is installed.
    packages : int
        How many it has to set up at its first start.
    """

    disk: Path
    kernel: Path
    key: Path
    known_hosts: Path
    ready: bool
    packages: int

    def mark_ready(self) -> None:
        """Note that what the disk is for is done."""
        self.disk.with_suffix(".ready").touch()


def _first_start() -> str:
    return files("deploy.board").joinpath("first-start.sh").read_text()


def _recipe(system: System) -> str:
    """Return what an image is made from; one of another recipe is made anew."""
    text = json.dumps([system.suite, PACKAGES, KERNEL, _DISK_MB, _first_start()])
    return hashlib.sha256(text.encode()).hexdigest()


def make(system: System, folder: Path) -> Image:
    """Make the disk of a machine; one of the same recipe stays as it is.

    Parameters
    ----------
    system : System
    folder : pathlib.Path
        Where packages, disk, kernel and keys are kept.

    Raises
    ------
    StepError
        When a package cannot be fetched or the file system cannot be made.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    disk, recipe, log = folder / "disk.ext4", folder / "recipe", folder / "log"
    image = Image(disk, folder / "vmlinuz", folder / "id", folder / "known_hosts", False, 0)
    count = folder / "packages"
    if not (recipe.exists() and recipe.read_text() == _recipe(system) and disk.exists()):
        for name in ("recipe", "disk.ext4", "disk.ready"):
            (folder / name).unlink(missing_ok=True)
        root = fetch(system, PACKAGES, folder / "debian")
        archives = sorted((folder / "debian/cache/archives").glob("*.deb"))
        kernel = folder / "kernel"
        shutil.rmtree(kernel, ignore_errors=True)
        call(["dpkg-deb", "-x", str(download(KERNEL, folder / "debian")), str(kernel)], log / "kernel.log")
        (vmlinuz,) = (kernel / "boot").glob("vmlinuz-*")
        shutil.copy(vmlinuz, image.kernel)
        write_tables(root, archives, log)
        _furnish(root, kernel / "lib/modules", image, log)
        make_disk = ["mke2fs", "-q", "-t", "ext4", "-L", "lookdown", "-d", str(root), str(disk), f"{_DISK_MB}M"]
        call(make_disk if os.geteuid() == 0 else ["fakeroot", *make_disk], log / "mke2fs.log")
        count.write_text(str(len(archives)))
        recipe.write_text(_recipe(system))
    return Image(**{**vars(image), "ready": disk.with_suffix(".ready").exists(), "packages": int(count.read_text())})


def _furnish(root: Path, modules: Path, image: Image, log: Path) -> None:
    """Lay into the root what the first start needs: modules of the kernel, keys, its script."""
    for place in ("dev", "proc", "sys", "run", "tmp", "root/.ssh", "etc/ssh"):
        (root / place).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(root / "usr/lib/modules", ignore_errors=True)
    shutil.copytree(modules, root / "usr/lib/modules")
    awk = root / "usr/bin/awk"  # scripts of packages ask for it before its own package is set up
    awk.unlink(missing_ok=True)
    awk.symlink_to("mawk")
    host = root / "etc/ssh/ssh_host_ed25519_key"
    for key in (host, image.key):
        for file in (key, key.with_name(f"{key.name}.pub")):
            file.unlink(missing_ok=True)
        call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lookdown", "-f", str(key)], log / "keygen.log")
    shutil.copy(image.key.with_name("id.pub"), root / "root/.ssh/authorized_keys")
    public = host.with_name(f"{host.name}.pub").read_text()
    image.known_hosts.write_text(f"lookdown-machine {public}")
    script = root / FIRST_START.lstrip("/")
    script.write_text(_first_start())
    script.chmod(0o755)


def for_bundle(image: Image, bundle: Path) -> Image:
    """Return the disk on which a bundle is, or will be, installed: a copy of one that has set itself up.

    Parameters
    ----------
    image : Image
        A disk that is ready.
    bundle : pathlib.Path
        The bundle; `Image.mark_ready` of what is returned notes that it is installed.

    Returns
    -------
    Image
        Ready if that very bundle was installed on a copy of that very disk; else a new copy.
    """
    disk = image.disk.with_name("installed.ext4")
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    mark, made_ns = disk.with_suffix(".bundle"), str(image.disk.stat().st_mtime_ns)
    wanted = f"{digest} {made_ns}\n"
    copy = Image(**{**vars(image), "disk": disk})
    if not (disk.exists() and mark.exists() and mark.read_text() == wanted and disk.with_suffix(".ready").exists()):
        for path in (mark, disk.with_suffix(".ready")):
            path.unlink(missing_ok=True)
        call(["cp", "--sparse=always", str(image.disk), str(disk)], image.disk.parent / "log" / "copy.log")
        mark.write_text(wanted)
    return Image(**{**vars(copy), "ready": disk.with_suffix(".ready").exists()})


def forget(folder: Path) -> None:
    """Forget a disk and the root that it was made from, so that both are made anew."""
    for name in ("recipe", "debian/manifest", "installed.bundle"):
        (folder / name).unlink(missing_ok=True)

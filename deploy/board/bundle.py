"""The bundle that goes to a board: wheels, installer, service, configuration, bill of materials, checksums, signature.

Checksums cover every file; the signature covers the checksums (Ed25519, by OpenSSL, which every board has). The bill
of materials is CycloneDX 1.6.
"""

import email.parser
import hashlib
import shutil
import tarfile
import zipfile
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from deploy.board.process import call

_HERE = Path(__file__).resolve().parent
SHIPPED = ("install.sh", "lookdown-flight.service")


def _metadata(wheel: Path) -> dict[str, str]:
    """Name, version and licence that a wheel states."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")]
        stated = email.parser.BytesHeaderParser().parsebytes(archive.read(name))
    licence = stated["License-Expression"] or (stated["License"] or "").strip().splitlines()[:1] or "unknown"
    return {
        "name": stated["Name"],
        "version": stated["Version"],
        "licence": licence if isinstance(licence, str) else licence[0],
    }


def bill_of_materials(wheels: list[Path], root: Path) -> str:
    """Write down what is in the bundle, as CycloneDX JSON.

    Parameters
    ----------
    wheels : list of pathlib.Path
    root : pathlib.Path
        The bundle; each component names its file below it.
    """
    bom = Bom()
    for wheel in wheels:
        stated = _metadata(wheel)
        path = wheel.relative_to(root).as_posix()
        bom.components.add(
            Component(
                name=stated["name"],
                version=stated["version"],
                type=ComponentType.LIBRARY,
                bom_ref=path,
                purl=PackageURL("pypi", None, stated["name"].lower(), stated["version"], {"file_name": wheel.name}),
                licenses=[DisjunctiveLicense(name=stated["licence"])],
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(wheel.read_bytes()).hexdigest())],
            )
        )
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def signing_key(folder: Path) -> Path:
    """Key to sign with where none is given: one of this checkout, made at the first use."""
    key = folder / "signing-key.pem"
    if not key.exists():
        call(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], folder / "log" / "key.log")
        key.chmod(0o600)
    return key


def pack(builds: dict[str, Path], wheelhouse: Path, config: Path, key: Path, folder: Path, name: str) -> Path:
    """Lay the bundle out and pack it.

    Parameters
    ----------
    builds : dict of str to pathlib.Path
        Wheel of lookdown for each target.
    wheelhouse : pathlib.Path
        Wheels of the dependencies.
    config : pathlib.Path
        Default configuration of the onboard process.
    key : pathlib.Path
        Private Ed25519 key, PEM.
    folder : pathlib.Path
        Where the bundle lies: ``folder/NAME`` and ``folder/NAME.tar.gz``.
    name : str

    Returns
    -------
    pathlib.Path
        The archive.

    Raises
    ------
    StepError
        When OpenSSL refuses the key.
    """
    root = folder / name
    shutil.rmtree(root, ignore_errors=True)
    for target, wheel in builds.items():
        (root / "builds" / target).mkdir(parents=True)
        shutil.copy2(wheel, root / "builds" / target)
    shutil.copytree(wheelhouse, root / "wheelhouse")
    for file in SHIPPED:
        shutil.copy2(_HERE / file, root)
    shutil.copy2(config, root / "flight.toml")
    (root / "sbom.cdx.json").write_text(bill_of_materials(sorted(root.rglob("*.whl")), root))
    files = sorted(path for path in root.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n" for path in files]
    (root / "SHA256SUMS").write_text("".join(sums))
    log = folder / "log" / "sign.log"
    sign = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(root / "SHA256SUMS")]
    call([*sign, "-out", str(root / "SHA256SUMS.sig")], log)
    call(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(root / "signing-key.pub.pem")], log)
    shutil.copy2(root / "signing-key.pub.pem", folder)
    archive = folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:  # wheels are compressed already
        packed.add(root, arcname=name)
    return archive

"""The whole state of a pipeline as octets and back, equal to the last bit.

Octets are thawed only if this very code made them under the same parameters, and only into types of this package, of
NumPy's arrays and of the standard containers: a file that someone else wrote is refused and runs nothing. Whoever is
refused fuses the recording from its beginning instead.
"""

import hashlib
import io
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import google_crc32c

from lookdown.ground.parameters import Parameters
from lookdown.ground.pipeline import Pipeline
from lookdown.wire import messages
from lookdown.wire.errors import WireError

_PLAIN = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "slice"),
    ("collections", "Counter"),
    ("collections", "deque"),
    ("collections", "OrderedDict"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
}
_DIGEST_OCTETS = 32


def freeze(pipeline: Pipeline, parameters: Parameters) -> bytes:
    """Return the state of a pipeline: digest of code and parameters, CRC-32C of what follows, the state."""
    state = pickle.dumps(pipeline, protocol=5)
    crc: int = google_crc32c.value(state)
    return _maker(parameters) + crc.to_bytes(4, "big") + state


def thaw(octets: bytes, parameters: Parameters) -> Pipeline:
    """Return the pipeline that `freeze` was given.

    Raises
    ------
    WireError
        ``version``: other code or other parameters made it. ``crc``: it is damaged. ``state``: it holds what a pipeline
        does not.
    """
    if octets[:_DIGEST_OCTETS] != _maker(parameters):
        raise WireError("version", "the state was left by other code or under other parameters")
    state = octets[_DIGEST_OCTETS + 4 :]
    if google_crc32c.value(state).to_bytes(4, "big") != octets[_DIGEST_OCTETS : _DIGEST_OCTETS + 4]:
        raise WireError("crc", "the state is damaged")
    try:
        pipeline = _Reader(io.BytesIO(state)).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, EOFError, TypeError, ValueError) as error:
        raise WireError("state", f"the state cannot be read: {error}") from None
    if not isinstance(pipeline, Pipeline):
        raise WireError("state", f"wanted a Pipeline, came {type(pipeline).__name__}")
    return pipeline


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Let through types of this package and plain containers alone."""
        found = super().find_class(module, name) if module.startswith("lookdown.") or (module, name) in _PLAIN else None
        if found is None or (module.startswith("lookdown.") and not isinstance(found, type)):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a pipeline's state")
        return found


def _maker(parameters: Parameters) -> bytes:
    """Digest of the code of this room and its messages, and of the parameters."""
    return hashlib.sha256(_code() + repr(parameters).encode()).digest()


@cache
def _code() -> bytes:
    digest = hashlib.sha256()
    for path in (*sorted(Path(__file__).parent.glob("*.py")), Path(messages.__file__)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.digest()

"""The ground process: plot reports of many satellites in, tracks out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookdown.ground.offline import fuse

__all__ = ["fuse"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for, so that `lookdown-ground --help` need not wait for scipy.
    if name == "fuse":
        from lookdown.ground.offline import fuse

        return fuse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

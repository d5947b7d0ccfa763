"""Arithmetic on arrays in Cython: calibrate, register, suppress, test, extract; one algorithm a file.

Every kernel takes C-contiguous NumPy arrays of one exact type, writes to arrays of the caller (last arguments), checks
first (``ValueError`` names the argument, what was wanted, what came) and then runs in one block without the GIL and
without allocation. Where a kernel needs rows of its own, the caller gives ``scratch``, sized by the kernel's
``..._scratch_size`` function. ``tests/kernels/reference*.py`` hold the plain NumPy twin of each.
"""

from importlib.util import find_spec
from pathlib import Path

for _source in sorted(Path(__file__).parent.glob("*.pyx")):
    if find_spec(f"lookdown.kernels.{_source.stem}") is None:
        raise ImportError(
            f"lookdown.kernels.{_source.stem} is not compiled and there is no slow substitute; "
            "run `make test`, or `pip install -e .` with a C compiler and the Python headers at hand"
        )

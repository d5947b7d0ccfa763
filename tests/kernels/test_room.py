"""The room itself: without its compiled modules it refuses to be imported, and says why and what to do."""

from pathlib import Path

import pytest

import lookdown.kernels


def test_a_kernel_that_is_not_compiled_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "absent.pyx").touch()
    source = Path(lookdown.kernels.__file__).read_text(encoding="utf-8")
    with pytest.raises(ImportError, match=r"lookdown\.kernels\.absent is not compiled .*make test.*pip install -e"):
        exec(compile(source, "kernels", "exec"), {"__file__": str(tmp_path / "__init__.py")})

"""Running a command whose output goes to a log, with its last lines in the error when it fails; telling of steps."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StepError(Exception):
    """A step of making the bundle failed; the text says which, why, and where its log is."""


def call(
    arguments: list[str], log: Path, environment: dict[str, str] | None = None, cwd: Path | None = None,
    patience_s: float | None = None,
) -> str:  # fmt: skip
    """Run a command and return what it wrote.

    Raises
    ------
    StepError
        When it ends with another status than 0, does not exist, or takes longer than ``patience_s`` [s].
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        try:
            done = subprocess.run(
                arguments, env={**os.environ, **(environment or {})}, cwd=cwd, stdout=file, stderr=subprocess.STDOUT,
                check=False, timeout=patience_s,
            )  # fmt: skip
        except FileNotFoundError:
            raise StepError(f"{log.stem}: {arguments[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise StepError(f"{log.stem} takes longer than {patience_s:g} s{_last_words(log)}") from None
    if done.returncode:
        raise StepError(f"{log.stem} failed with status {done.returncode}{_last_words(log)}")
    return log.read_text(errors="replace")


def _last_words(log: Path) -> str:
    return f" (all of it in {log}):\n  " + "\n  ".join(log.read_text(errors="replace").strip().splitlines()[-8:])


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    print(f"== {text}", flush=True)
    started = time.monotonic()
    yield
    print(f"   {time.monotonic() - started:.0f} s", flush=True)

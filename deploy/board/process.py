"""Running a command whose output goes to a log, with its last lines in the error when it fails; telling of steps."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StepError(Exception):
    """A step of making the bundle failed; the text says which, why, and where its log is."""


def call(arguments: list[str], log: Path, environment: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return what it wrote.

    Raises
    ------
    StepError
        When it ends with another status than 0 or does not exist.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        try:
            done = subprocess.run(
                arguments, env={**os.environ, **(environment or {})}, cwd=cwd, stdout=file, stderr=subprocess.STDOUT,
                check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise StepError(f"{log.stem}: {arguments[0]} is not installed") from None
    written = log.read_text(errors="replace")
    if done.returncode:
        last = "\n  ".join(written.strip().splitlines()[-8:])
        raise StepError(f"{log.stem} failed with status {done.returncode} (all of it in {log}):\n  {last}")
    return written


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    print(f"== {text}", flush=True)
    started = time.monotonic()
    yield
    print(f"   {time.monotonic() - started:.0f} s", flush=True)

"""Prints what an extra of this project needs, a requirement a line, without building the project.

usage: requirements.py EXTRA [EXTRA ...]     (an extra of pyproject.toml; the core comes always)
"""

import re
import sys
import tomllib
from pathlib import Path


def requirements(project: dict, extras: list[str]) -> list[str]:
    """Core dependencies and those of the extras; ``lookdown[x]`` within an extra stands for extra x."""
    found = list(project["dependencies"])
    wanted = list(extras)
    seen = set()
    while wanted:
        extra = wanted.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for line in project["optional-dependencies"][extra]:
            inner = re.fullmatch(rf"{project['name']}\[([\w,-]+)\]", line)
            if inner:
                wanted += inner.group(1).split(",")
            else:
                found.append(line)
    return found


if __name__ == "__main__":
    with (Path(__file__).resolve().parents[1] / "pyproject.toml").open("rb") as file:
        print("\n".join(requirements(tomllib.load(file)["project"], sys.argv[1:])))

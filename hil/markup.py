"""Pieces of the pages that commands leave: their style, figures for people, tables."""

import html
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

DASH = "&ndash;"


class Right(str):
    """A cell that stands to the right in its column: a number."""

    __slots__ = ()


def page_style() -> str:
    """Style of every page, as it stands in its head."""
    return files("lookdown.hil").joinpath("style.html").read_text(encoding="utf-8").strip()


def number(value: Any, digits: int = 3) -> str:
    """Write a figure for people: ``digits`` significant digits, a dash for None."""
    if value is None:
        return DASH
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if value != 0.0 and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}&middot;10<sup>{int(exponent)}</sup>"
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def mono(text: str, whole: bool = False) -> str:
    """Write text as it is typed; ``whole`` keeps it on one line."""
    return f'<span class="mono{" whole" if whole else ""}">{html.escape(text)}</span>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table of cells that are HTML already."""

    def cell(tag: str, text: str) -> str:
        return f'<{tag} class="n">{text}</{tag}>' if isinstance(text, Right) else f"<{tag}>{text}</{tag}>"

    top = f"<thead><tr>{''.join(cell('th', text) for text in head)}</tr></thead>" if any(head) else ""
    body = "".join(f"<tr>{''.join(cell('td', text) for text in row)}</tr>" for row in rows)
    return f"<table>{top}<tbody>{body}</tbody></table>"

"""Numbers and names as people read them, tables as CSV."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

from deepfake.errors import UserError

if TYPE_CHECKING:  # its import takes a second; most of this needs none
    import pandas as pd


MAX_NAME_BYTES = 80


def plain_name(name: str) -> str:
    """A name that is safe as a folder's name.

    Raises:
        UserError: code ``bad_name``.
    """
    sound = name and not name.startswith(".") and all(c.isalnum() or c in "-_." for c in name)
    if not sound or len(name.encode()) > MAX_NAME_BYTES:
        raise UserError(
            "bad_name",
            f"'{name[:MAX_NAME_BYTES]}' cannot be a name. Use at most {MAX_NAME_BYTES} letters, digits, '-', "
            "'_' and '.', not starting with '.'.",
        )
    return name


def format_percent(share: float) -> str:
    """A probability or share in 0..1 in whole percent; never a 0 or 100 that it is not.

    >>> [format_percent(share) for share in (0.934, 0.003, 0.998, 0.0, 1.0)]
    ['93%', 'under 1%', 'over 99%', '0%', '100%']
    """
    if 0 < share < 0.01:
        return "under 1%"
    if 0.99 < share < 1:
        return "over 99%"
    return f"{share:.0%}"


def format_bytes(n_bytes: int) -> str:
    """Bytes in the unit a person expects.

    >>> format_bytes(900), format_bytes(182_000), format_bytes(3_400_000)
    ('900 bytes', '182 kB', '3.4 MB')
    """
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    return f"{n_bytes / 1e3:.0f} kB" if n_bytes < 999_500 else f"{n_bytes / 1e6:.1f} MB"


def counted(count: int, one: str, several: str = "") -> str:
    """A number and what it counts.

    >>> counted(1, "image"), counted(2000, "image"), counted(2, "copy", "copies")
    ('1 image', '2,000 images', '2 copies')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def format_duration(seconds: float) -> str:
    """Whole units that suit the length.

    >>> format_duration(42), format_duration(190), format_duration(7380)
    ('42 s', '3 min', '2 h 3 min')
    """
    if math.isnan(seconds):
        return "unknown"
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


Unit = Literal["share", "number"]


def format_metric(value: float | None, unit: Unit) -> str:
    """A number as it stands on the page.

    >>> format_metric(0.9473, "share"), format_metric(0.9473, "number"), format_metric(None, "share")
    ('94.7%', '0.947', 'undefined')
    """
    if value is None:
        return "undefined"
    return f"{100 * value:.1f}%" if unit == "share" else f"{value:.3f}"


def format_interval(pair: tuple[float, float] | None, unit: Unit) -> str:
    """An interval as it stands on the page; empty without one.

    >>> format_interval((0.9, 0.95), "share"), format_interval(None, "number")
    ('90.0 to 95.0%', '')
    """
    if pair is None:
        return ""
    low, high = pair
    return f"{100 * low:.1f} to {100 * high:.1f}%" if unit == "share" else f"{low:.3f} to {high:.3f}"


def format_with_interval(value: float | None, low: float | None, high: float | None, unit: Unit) -> str:
    """A number with its interval, in one cell of a table.

    >>> format_with_interval(0.9473, 0.93, 0.96, "share"), format_with_interval(0.947, 0.93, 0.96, "number")
    ('94.7% (93.0 to 96.0)', '0.947 (0.930 to 0.960)')
    """
    if value is None or low is None or high is None or math.isnan(value):
        return format_metric(None, unit)
    return f"{format_metric(value, unit)} ({format_interval((low, high), unit).removesuffix('%')})"


def printable(text: str, instead: str = "?") -> str:
    """A text that cannot steer a terminal or a reader's eye: controls and direction switches are replaced."""
    return "".join(letter if letter.isprintable() else instead for letter in text)


def slug(text: str) -> str:
    """A plain file name of a title; empty where nothing of it is plain.

    >>> slug("ROC, Test: all")
    'roc-test-all'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def csv_cell(value: Any) -> Any:
    """A value for a spreadsheet: text that it would take for a formula is led by an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t\r")) else value


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV for a spreadsheet; text that it would take for a formula is led by an apostrophe."""
    import pandas as pd

    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]) and not pd.api.types.is_bool_dtype(safe[name]):
            safe[name] = [csv_cell(value) for value in safe[name]]
    return safe.to_csv(index=False, lineterminator="\n").encode("utf-8-sig")

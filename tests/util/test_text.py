"""Numbers and tables as people read them."""

from __future__ import annotations

import doctest

import pandas as pd

from deepfake.util import text


def test_examples() -> None:
    assert doctest.testmod(text).failed == 0


def test_a_table_for_a_spreadsheet_holds_no_formula() -> None:
    table = pd.DataFrame({"name": ["=1+1", "plain"], "share": [0.5, 1.0]})
    assert text.csv_bytes(table).decode("utf-8-sig") == "name,share\n'=1+1,0.5\nplain,1.0\n"
    assert table["name"][0] == "=1+1", "the table itself stays"

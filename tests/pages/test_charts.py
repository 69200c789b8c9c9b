"""Tables of names and numbers: names that strangers gave stay text."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.support.pages import as_read


def page() -> None:
    import pandas as pd

    from ui.charts import number_table

    table = pd.DataFrame({"Images": ["1", "2"], "From": ["![x](//a)", "b"]}, index=["*a* :red[b]", "c"])
    number_table(table, words=["From"])


def test_names_are_no_markup() -> None:
    app = AppTest.from_function(page).run(timeout=60)
    assert not app.exception
    value = app.table[0].value
    assert value.index[0] == r"\*a\* \:red\[b\]"
    assert value["From"].iloc[0] == r"\!\[x\]\(\/\/a\)"
    assert value["Images"].tolist() == ["1", "2"]
    assert as_read(app.table[0]).index[0] == "*a* :red[b]"

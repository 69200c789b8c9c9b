"""A page run without a browser."""

from __future__ import annotations

import re

import pandas as pd
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button, Table

from deepfake.util.files import ROOT


def page(path: str = "pages/evaluation.py", **address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / path), default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.header, app.title)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def plain_label(button: Button) -> str:
    """What is read on a button: without the mark-up of a filled one's colour."""
    return re.sub(r"^:violet\[(.*)\]$", r"\1", button.label).replace("\\", "")


def button_labels(app: AppTest) -> list[str]:
    return [plain_label(button) for button in app.button]


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if plain_label(button) == label).click().run()
    assert not app.exception
    return app


def as_read(table: Table) -> pd.DataFrame:
    """A table of names and numbers as it is read: names without what keeps them from being markup."""
    shown = table.value
    return shown.set_axis([str(name).replace("\\", "") for name in shown.index])

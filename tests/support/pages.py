"""A page run without a browser."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from deepfake.util.files import ROOT


def page(path: str = "pages/evaluation.py", **address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / path), default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.subheader, app.title)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app

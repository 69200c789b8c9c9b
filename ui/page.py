"""What pages share: set-up, tabs, the warm-up, text that is never markup, and the choice of threshold and
detector with the detector's limits.

A deep link on a fresh server runs a file of ``pages/`` without ``streamlit_app.py``, so each page sets
itself up through this module.
"""

from __future__ import annotations

import contextlib
import gc
import html
import logging
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import streamlit as st
from PIL import Image, ImageDraw
from starlette.formparsers import MultiPartParser
from streamlit import delta_generator, runtime
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitPageNotFoundError
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake.detection.card import Card, ModelError, detector_title, load_card
from deepfake.detection.feedback import feedback_folder
from deepfake.detection.text import POINT_MEANINGS, POINT_WORDS, Counted
from deepfake.detection.words import UNCERTAIN
from deepfake.images.archives import MAX_ARCHIVE_BYTES
from deepfake.types import OPERATING_POINTS, OperatingPoint, Pixels, VerdictLabel
from ui.address import PREFIX, one_in_address, say_unknown, take_carried
from ui.uploads import forget_files, leave_other_pages

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&\"'/=^@])")
ABOUT = (
    "Tells photos of real faces from deepfakes, and shows how sure it is. A verdict is a hint from a "
    "statistical detector, not a proof."
)

NAVIGATED = "navigated"
"""Key in the session's state: this run has come through the navigation."""
PAGES = {
    "pages/check.py": "Check an image",
    "pages/batch.py": "Check many",
    "pages/video.py": "Check a video",
    "pages/dataset.py": "Dataset",
    "pages/training.py": "Training",
    "pages/evaluation.py": "Evaluation",
    "pages/robustness.py": "Robustness",
    "pages/about.py": "About",
}
"""The pages in their order, by file; the address is the file's name."""

logger = logging.getLogger(__name__)
CALL_STYLES: dict[VerdictLabel, tuple[str, str]] = {
    "fake": ("orange", ":material/warning:"),
    "real": ("blue", ":material/check_circle:"),
    "uncertain": ("gray", ":material/help:"),
}
COUNT_STYLES: dict[Counted, tuple[str, str]] = {
    **CALL_STYLES,
    "no_face": ("gray", ":material/no_accounts:"),
    None: ("gray", ":material/error:"),
}
"""Color and icon of what an image is among several."""


def start_page(title: str) -> None:
    """Sets the browser's title and the layout, and draws the heading; the first call of every page."""
    st.set_page_config(
        page_title=f"{title} - deepfake detector",
        page_icon=tab_icon(),  # a Material icon here would be fetched from fonts.gstatic.com
        layout="wide",
        menu_items={"About": ABOUT},
    )
    keep_uploads_in_memory()
    skip_shell_warning()
    leave_other_pages(title)
    if not st.session_state.pop(NAVIGATED, False):
        show_links()
    if not presenting():
        st.title(title, anchor=False)
        return
    st.query_params[PRESENT] = "1"  # so that the address of any page shows the same elsewhere
    st.html(_LARGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(title, anchor=False)
        end = "End presentation"
        st.button(end, type="tertiary", icon=":material/close:", on_click=present, args=(False,))


PRESENT = "present"
"""In the address: 1 to present to a room. Also the key in the session's state, since links drop it."""
_LARGE = (
    "<style>:root { font-size: 20px !important } [data-testid=stDownloadButton] { display: none }</style>"
)


def presenting() -> bool:
    """Whether a room looks on: type is larger, and controls that save files are left out."""
    asked = st.query_params.get(PRESENT)
    if asked is not None:
        st.session_state[PRESENT] = asked == "1"
    return bool(st.session_state.get(PRESENT))


def present(on: bool = True) -> None:
    """Begins or ends the presentation, for this session."""
    st.session_state[PRESENT] = on
    st.query_params.pop(PRESENT, None)


def is_dark() -> bool:
    """Whether the visitor's page is dark; figures follow by themselves, but for scales of colours."""
    return st.context.theme.type == "dark"


def section(title: str) -> None:
    """The heading of a part of a page: level 2, since ``start_page`` draws the only one of level 1.

    Args:
        title: may hold markup.
    """
    st.header(title, anchor=False)


def main_button(
    label: str,
    *,
    key: str | None = None,
    disabled: bool = False,
    on_click: Callable[..., None] | None = None,
    args: Sequence[object] = (),
) -> bool:
    """The filled button of a page's main step; one that can be read in light and in dark.

    Args:
        label: plain text; it is escaped.
        key, disabled, on_click, args: as of ``st.button``.
    """
    words = escape_markdown(label)
    return st.button(
        words if disabled else f":violet[{words}]",  # see .streamlit/config.toml
        type="primary", key=key, disabled=disabled, on_click=on_click, args=tuple(args),
    )  # fmt: skip


def show_image(image: bytes | Pixels, width: int, alt: str, container: DeltaGenerator | None = None) -> None:
    """An image of this width on the page, never wider than the place it stands in.

    Given the width, ``st.image`` would shrink the file itself, which is coarse where a screen has two pixels
    for one of the page, and takes time. It leaves alone what stretches.

    Args:
        image: a JPEG or PNG, or (H, W, 3) uint8 RGB.
        width: in pixels of the page.
        alt: what it shows, for those who cannot see it.
        container: where it is added; None for the place where the page is.
    """
    box = (container or st).container(width=width, gap=None)
    box.image(image, width="stretch", alt=alt)


_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap"


def announce(container: DeltaGenerator, words: str) -> None:
    """Has screen readers read something out as soon as it stands here; nothing is seen of it."""
    container.html(f'<p role="status" aria-live="polite" style="{_UNSEEN}">{html.escape(words)}</p>')


def show_links() -> None:
    """Links to all pages, where a deep link ran this one without the navigation of ``streamlit_app.py``."""
    with contextlib.suppress(StreamlitPageNotFoundError), st.container(horizontal=True):
        for path, title in PAGES.items():  # none where a page was itself given to `streamlit run`
            st.page_link(path, label=title)


def tab_icon() -> Image.Image:
    """A face in a frame, 64 x 64 pixels, for the browser's tab."""
    icon = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(icon)
    draw.rounded_rectangle((3, 3, 60, 60), radius=12, outline="#0F766E", width=6)
    draw.ellipse((18, 16, 45, 47), fill="#0F766E")
    return icon


def keep_uploads_in_memory() -> None:
    """Stops the web server from spooling uploads above 1 MB to a temporary file while they arrive."""
    MultiPartParser.spool_max_size = max(MultiPartParser.spool_max_size, MAX_ARCHIVE_BYTES + 2**20)


def skip_shell_warning() -> None:
    """Keeps Streamlit from looking, once, whether the page runs in a Python shell: it runs on a server.

    To see that, Streamlit asks for the source of everything on the stack, in a tenth of the first run's time.
    """
    if runtime.exists():
        delta_generator._use_warning_has_been_displayed = True


def forget_uploads(uploads: Sequence[UploadedFile]) -> None:
    """Lets uploads go at once; see ``uploads.forget_files``."""
    forget_files(upload.file_id for upload in uploads)


def escape_markdown(text: str) -> str:
    """The text with all markup escaped, for elements that take Markdown.

    Not for what a stranger typed, such as a file's name: addresses and ``:shortcodes:`` are found after
    escaping. ``st.text`` shows those.
    """
    return _MARKUP.sub(r"\\\1", text)


def say_unknown_options(names: Collection[str]) -> None:
    """A line above the options where the address names a detector or sensitivity that is not here."""
    say_unknown("detector", names, "a detector")
    say_unknown(f"{PREFIX}threshold", OPERATING_POINTS, "a sensitivity")


def ask_for_threshold() -> OperatingPoint:
    """How careful to be; kept in the address, so that a link shows the same."""
    take_carried("threshold", OPERATING_POINTS)
    return st.radio(
        "Sensitivity",
        OPERATING_POINTS,
        format_func=lambda point: POINT_WORDS[point],
        captions=[POINT_MEANINGS[point] for point in OPERATING_POINTS],
        key="threshold",
        bind="query-params",
    )


def ask_for_detector(names: list[str], first: str) -> str:
    """Which detector; asked only where there is a choice. The address holds its name, the page its title."""
    if len(names) < 2:
        return first
    name = one_in_address(
        "detector", names, first,
        lambda: st.selectbox("Detector", names, format_func=detector_title, key="detector"),
        keep=True,
    )  # fmt: skip
    with contextlib.suppress(ModelError):  # whoever asks meets it again
        if second := load_card(name).second:
            st.caption(
                f"Better on kinds of fakes that are new to it, more often {UNCERTAIN}, and slower than "
                f"{escape_markdown(detector_title(second.main))}."
            )
    return name


def show_limits(card: Card) -> None:
    """What the detector can and cannot tell, and what becomes of the uploads."""
    st.space("small")
    knows, not_known, privacy = st.columns(3, gap="medium")
    knows.markdown("**What it can detect**\n" + markdown_list(card.knows))
    not_known.markdown("**What it can miss**\n" + markdown_list(card.does_not_know))
    privacy.markdown(
        "**Nothing is stored**\n\nImages stay in this server's memory until you clear them or close this "
        "app, even while you visit its other pages. They are not written to disk, not sent on and not "
        "used for training."
        + (" Only an image that you leave with an answer to a verdict is kept." if feedback_folder() else "")
    )
    title = escape_markdown(detector_title(card.name))
    st.caption(f"Detector: {title}. {escape_markdown(card.description)}")


def show_tabs(
    shows: Mapping[str, Callable[[], None]],
    key: str = "tab",
    default: str | None = None,
    former: Mapping[str, str] | None = None,
) -> None:
    """Tabs, kept in the address. Only the open one is drawn: the others cost nothing.

    Args:
        shows: what draws each, by its title.
        key: names the choice in the address.
        default: the title of the one open at first; None for the first.
        former: titles that older links have, and what they are called now.
    """
    say_unknown(key, {*shows, *(former or {})}, "a tab")
    default = (former or {}).get(st.query_params.get(key, ""), default)
    tabs = st.tabs(list(shows), key=key, bind="query-params", default=default)
    for tab, show in zip(tabs, shows.values(), strict=True):
        if tab.open:
            with tab:
                show()


def markdown_list(lines: tuple[str, ...]) -> str:
    """A Markdown list of plain texts."""
    return "\n".join(["", *(f"- {escape_markdown(line)}" for line in lines)])


PAINTED = 0.3
"""Seconds in which a browser that has the page fetches from this server what draws its elements."""


@st.cache_resource(show_spinner=False)
def warm_up() -> threading.Thread:
    """Loads the default detector behind the page's back, once per process, and after the page is painted.

    Whoever needs the tables and figures joins this thread first rather than import them beside it: some
    libraries import in circles. The detector can be asked for at once.
    """
    gc.freeze()  # what the page has imported: see load_everything
    thread = threading.Timer(PAINTED, load_everything)
    thread.name, thread.daemon = "warm-up", True
    thread.start()
    return thread


def load_everything() -> None:
    """The detector, and then the tables and figures that a verdict is shown with."""
    try:
        from deepfake.detection import detector

        detector.warm_up()
        from deepfake.detection import figures
        from deepfake.evaluation import records
        from deepfake.report import context  # noqa: F401 - imported here, not beside the others

        records.validation_scores(load_card(None))
        figures.base_figure("", "").to_dict()
        # After each run of a page Streamlit collects garbage twice, which goes through every object of the
        # libraries and holds up all visitors: from now on it passes over those.
        gc.collect()
        gc.freeze()
    except Exception:  # the first check meets it again and tells the person
        logger.exception("The detector could not be warmed up.")


_SET = "set-by-button"


def set_value(key: str, value: float) -> None:
    """Gives a slider that is drawn later in this run another value."""
    st.session_state[key] = value
    st.session_state[f"{key}-{_SET}"] = True


def start_value(key: str, value: float) -> float | None:
    """What to pass as the slider's ``value``: nothing in the run in which ``set_value`` gave it one."""
    return None if st.session_state.pop(f"{key}-{_SET}", False) else value

"""Links that open one picture of an evaluation or a batch on the page Check an image; and that picture."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from deepfake.detection.card import detector_title
from deepfake.detection.text import POINT_WORDS
from deepfake.errors import UserError
from deepfake.types import OperatingPoint
from ui.address import carry
from ui.batch_session import IN_BATCH, picture_in_batch
from ui.page import escape_markdown
from ui.uploads import Upload

ADDRESS = ("picture", "picture-of", "scored-by")
"""What such a link holds: an image, its evaluation and whose that is, never a path. No name is that of a
widget of the page Evaluation: Streamlit takes those out of the address on leaving it."""


def linked_pictures() -> list[Upload]:
    """The pictures that the address names; says where each comes from, or why it is not shown."""
    return [*addressed_picture(), *batch_picture()]


def batch_picture() -> list[Upload]:
    """The picture of the page Check many that the address names, or none."""
    sha256 = st.query_params.get(IN_BATCH, "")
    if not sha256:
        return []
    picture = None
    with st.container(border=True):
        try:
            picture = picture_in_batch(sha256)
        except UserError as error:
            st.error(escape_markdown(error.message), icon=":material/image_not_supported:")
        else:
            st.markdown("An image of your batch on the page Check many.")
        st.button(
            "Close this image",
            icon=":material/close:",
            key="close-batch-picture",
            on_click=forget_batch_picture,
        )
    return [picture] if picture else []


def forget_batch_picture() -> None:
    """Takes the batch's picture out of the address."""
    st.query_params.pop(IN_BATCH, None)


def addressed_picture() -> list[Upload]:
    """The picture that the address names, or none."""
    image_id, title, detector = (st.query_params.get(name, "") for name in ADDRESS)
    if not image_id:
        return []
    with st.container(border=True):
        try:
            picture, sentence = open_linked(detector, title, image_id)
        except UserError as error:
            st.error(escape_markdown(error.message), icon=":material/image_not_supported:")
            picture = None
        else:
            st.markdown(escape_markdown(sentence))
        st.button("Close this image", icon=":material/close:", on_click=forget_linked)
    return [picture] if picture else []


def open_linked(detector: str, title: str, image_id: str) -> tuple[Upload, str]:
    """The picture, and a sentence on where it comes from. Raises UserError."""
    from deepfake.evaluation.kept import recorded_image, scored_bytes

    found = recorded_image(detector, title, image_id)
    try:
        content = scored_bytes(found.path, perturbed=found.perturbed)
    except OSError as error:
        raise UserError("unreadable", f"The image '{image_id}' cannot be read: {error.strerror}.") from error
    form = "its perturbed copy, as it was scored" if found.perturbed else "as it was scored"
    sentence = (
        f"An image of the evaluation {title} ({form}): actually {'fake' if found.label else 'real'}. "
        f"{detector_title(detector)} gave it a score of {found.p_fake:.3f} in that evaluation, without face "
        "detection."
    )
    name = image_id.replace("\\", "/").rpartition("/")[2]
    return Upload(f"{detector}|{title}|{image_id}", name, content), sentence


def forget_linked() -> None:
    """Takes the picture out of the address."""
    for name in ADDRESS:
        st.query_params.pop(name, None)


def link_to_check(
    label: str, picture: Mapping[str, str], detector: str, point: OperatingPoint | None = None
) -> None:
    """A link that opens a picture on the check page, judged as it was here.

    Args:
        label: of the link.
        picture: parts of the address that say which.
        detector: who judges it there, whatever was chosen on that page before.
        point: at which operating point; None for that which the person chose last.
    """
    query = {**picture, "detector": detector}
    if point is not None:
        query |= carry({"threshold": point}, {"threshold": POINT_WORDS[point]})
    with contextlib.suppress(StreamlitPageNotFoundError):  # this page alone was given to `streamlit run`
        st.page_link("pages/check.py", label=label, icon=":material/open_in_new:", query_params=query)

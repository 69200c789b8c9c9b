"""What else an image's file tells: maps of its pixels, camera data, compression, fingerprints."""

from __future__ import annotations

import streamlit as st

from deepfake.errors import UserError
from deepfake.forensics.credentials import Credentials, read_credentials, reader_installed
from deepfake.forensics.pixels import Forensics, PixelMap, examine, middle
from deepfake.images.encode import shrink
from deepfake.images.load import load_image
from deepfake.types import Pixels
from ui.check.checked import named
from ui.page import escape_markdown, show_image
from ui.uploads import Upload

TABS = ["Compare", "Camera data", "Compression", "Preview", "Fingerprints", "Credentials"]
EXAMINED = "examined"
"""Key in the session's state: uploads whose forensics were opened."""
MAPS = {
    "Error level": "how much each pixel changes when the image is saved as JPEG once more",
    "Noise": "how strong the fine noise is around each pixel",
    "Spectrum": "which patterns the middle of the image holds, coarse ones at the center",
}
"""What each map shows."""


@st.cache_data(scope="session", max_entries=20, show_spinner="Examining the file")
def examined(file_id: str, _content: bytes, with_place: bool) -> Forensics:
    """Raises ImageRefused."""
    return examine(_content, with_place=with_place)


@st.cache_data(scope="session", max_entries=20, show_spinner=False)
def compared(file_id: str, _content: bytes) -> tuple[Pixels, Pixels]:
    """What maps are shown beside: the image, and the part that its spectrum is of. Raises ImageRefused."""
    pixels = load_image(_content).pixels
    return shrink(pixels), shrink(middle(pixels))


@st.cache_data(scope="session", max_entries=40, show_spinner=False)
def signed_record(file_id: str, _content: bytes, image_format: str) -> Credentials:
    return read_credentials(_content, image_format)


def show_signed_record(upload: Upload, image_format: str) -> bool:
    """A signed record that tells of generative AI, which is too important to stay behind an expander.

    Gives whether there is one.
    """
    says_ai = reader_installed() and signed_record(upload.file_id, upload.getvalue(), image_format).says_ai
    if says_ai:
        st.warning(
            "The file carries a signed record that says: made or changed by generative AI. The detector's "
            "verdict ignores it; see *Credentials* in *File forensics*.",
            icon=":material/verified:",
        )
    return says_ai


@st.fragment  # opening it draws this part anew, not the page
def show_forensics(upload: Upload, number: int | None = None) -> None:
    """An expander that examines an image's file once it is opened; nothing in it changes the verdict.

    Args:
        upload: the image.
        number: its number among several, from 1.
    """
    content, file_id = upload.getvalue(), upload.file_id
    box = st.expander(
        named("File forensics", number),
        icon=":material/troubleshoot:",
        key=f"forensics-{file_id}",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        try:
            found = examined(file_id, content, with_place=False)
        except UserError as error:
            st.error(escape_markdown(error.message), icon=":material/error:")
            return
        seen: set[str] = st.session_state.setdefault(EXAMINED, set())
        if file_id not in seen:
            seen.add(file_id)
            st.rerun()  # the page, whose evidence table has a line more now
        st.caption("For expert review. None of this changes the verdict.")
        compare, camera, compression, preview, prints, credentials = st.tabs(TABS)
        with compare:
            show_maps(found, upload, number)
        with camera:
            show_camera(found, content, file_id)
        with compression:
            show_compression(found)
        with preview:
            show_preview(found)
        with prints:
            st.caption("SHA-256 of the file")
            st.code(found.hashes.sha256, language=None, wrap_lines=True)
            st.caption("Perceptual hash")
            st.code(found.hashes.perceptual, language=None)
            st.caption(found.hashes.meaning)
        with credentials:
            show_rows(found.credentials.rows)
            st.caption(escape_markdown(found.credentials.meaning))


def show_maps(forensics: Forensics, upload: Upload, number: int | None) -> None:
    """The image beside one of its maps, both zoomed together, with what to look for and what to ignore."""
    from deepfake.forensics.figures import compare_config, compare_figure

    name = st.segmented_control(
        named("Compare the image with", number), list(MAPS), default="Error level", required=True,
        key=f"compare-{upload.file_id}",
    )  # fmt: skip
    shown: PixelMap = {
        "Error level": forensics.error_level,
        "Noise": forensics.noise,
        "Spectrum": forensics.spectrum,
    }[name]
    st.markdown(f"**Look for:** {shown.look_for}  \n**Ignore:** {shown.ignore}")
    whole, square = compared(upload.file_id, upload.getvalue())
    together = name != "Spectrum"  # which has no places in common with the image
    st.plotly_chart(
        compare_figure(whole if together else square, shown, name, together=together, stacked=on_phone()),
        width="stretch",
        theme="streamlit",
        key=f"maps-{upload.file_id}",
        config=compare_config(name),
        alt=f"The image beside its {name.lower()}: {MAPS[name]}",
    )
    zoom = "Drag over either to zoom into both; double-click to go back." if together else ""
    white = f"White is {shown.white:.1f} {shown.unit} or more."
    st.caption(f"{name}: {MAPS[name]}; brighter is more. {white} {zoom}".strip())


def on_phone() -> bool:
    """Whether the browser calls itself a phone's, as all of them do."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")


def show_rows(rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> None:
    """Names and values from the file, as text: whatever they hold is no markup, and a phone wraps them."""
    if rows:
        st.text("\n".join(f"{name}: {value}" for name, value in rows))


def show_camera(forensics: Forensics, content: bytes, file_id: str) -> None:
    exif = forensics.exif
    if not exif.rows:
        st.write("The file holds no camera data.")
    show_rows(exif.rows)
    if exif.has_place:
        st.warning(
            "Private: the file says where it was taken. Remove that before you pass the file on.",
            icon=":material/location_on:",
        )
        if st.toggle("Show the location", key=f"place-{file_id}"):
            place = examined(file_id, content, with_place=True).exif
            st.write(f"Latitude {place.latitude:.5f}, longitude {place.longitude:.5f} (degrees).")
    st.caption(exif.meaning)


def show_compression(forensics: Forensics) -> None:
    compression = forensics.compression
    if compression.quality is not None:
        way = "exactly" if compression.standard else "nearest to"
        order = "progressive" if compression.progressive else "baseline"
        st.markdown(
            f"JPEG, {order}. Its quality is {way} **{compression.quality}** of 100 on the scale of the JPEG "
            "library that most programs use."
        )
        for name, table in zip(("Luminance", "Chrominance"), compression.tables[:2], strict=False):
            st.markdown(f"{name} quantization table")
            st.table(table, hide_index=True, hide_header=True, width="content")
    st.caption(compression.meaning)


def show_preview(forensics: Forensics) -> None:
    preview = forensics.thumbnail
    if preview.pixels is not None:
        show_image(preview.pixels, 240, "The preview inside the file")
        if preview.agrees is None:
            st.write("The preview has too little detail to compare with the image.")
        else:
            words = "shows the same as" if preview.agrees else "does not show the same as"
            st.markdown(f"The preview {words} the image (correlation {preview.correlation:.2f} of 1).")
    st.caption(preview.meaning)

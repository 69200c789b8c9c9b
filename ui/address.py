"""What the address of a page holds: choices that a link sets once, and choices that it follows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import streamlit as st

from ui.uploads import OPEN_PAGE

PREFIX = "open-"
"""Before a widget's key: the part of the address that no widget is bound to."""


def carry(values: Mapping[str, str], shown: Mapping[str, str] | None = None) -> dict[str, str]:
    """The parts of a link's address that set widgets bound to it.

    Args:
        values: the option to choose, by the widget's key.
        shown: the same as the widget shows it, where that differs (``format_func``).
    """
    return {**values, **(shown or {}), **{f"{PREFIX}{key}": value for key, value in values.items()}}


def take_carried(key: str, options: Sequence[str]) -> None:
    """Gives the widget that is drawn next what the link carries for it, once; call it just before.

    Args:
        key: the widget's.
        options: what can be chosen; anything else in the address is passed over.
    """
    value = st.query_params.get(f"{PREFIX}{key}")
    if value is None:
        return
    del st.query_params[f"{PREFIX}{key}"]  # else it would undo what the person chooses next
    if value in options:
        st.session_state[key] = value


def say_unknown(key: str, options: Collection[str], what: str) -> None:
    """A line where the address names no option; call it before the widget, which takes the name out.

    Args:
        key: the widget's, in the address.
        options: what can be named.
        what: is chosen, with its article; what the link says is not repeated, as a stranger may have made it.
    """
    if any(each not in options for each in st.query_params.get_all(key)):
        st.info(f"The link names {what} that is not here; the default is shown.", icon=":material/link_off:")


def one_in_address(
    key: str, options: Sequence[str], default: str, draw: Callable[[], str | None], *, keep: bool = False
) -> str:
    """One option, which the address holds as it is, whatever the widget shows for it.

    Streamlit's own ``bind="query-params"`` writes what is shown, so that a link would hold a detector's
    title. Here the address decides when the widget first stands on a page, and the widget from then on.

    Args:
        key: the widget's, and the name in the address.
        options: what can be chosen; anything else in the address is passed over.
        default: the one chosen at first; it does not stand in the address.
        draw: draws the widget under that key, with no default of its own, and gives its value.
        keep: where the address says nothing, what was chosen on the page before stays chosen.
    """
    is_new, asked, before = _comes(key), st.query_params.get(key), st.session_state.get(key)
    if is_new and asked in options:
        before = asked
    elif before not in options or (is_new and not keep):
        before = default
    st.session_state[key] = before  # at each run: what a popover holds is first shown when that is opened
    chosen = draw() or default
    _write(key, [chosen], [default], is_new=is_new)
    return chosen


def several_in_address(
    key: str, options: Sequence[str], default: Sequence[str], draw: Callable[[], Sequence[str]]
) -> list[str]:
    """As ``one_in_address``, any number of options; the address holds each under the same name."""
    is_new, before = _comes(key), st.session_state.get(key, [])
    if is_new or not set(before) <= set(options):
        before = [each for each in st.query_params.get_all(key) if each in options] or list(default)
    st.session_state[key] = before  # at each run, as above
    chosen = list(draw())
    _write(key, chosen, default, is_new=is_new)
    return chosen


def _comes(key: str) -> bool:
    """Whether the widget is new on this page; what stands under its key is then another page's."""
    place, page = f"{key}-page", st.session_state.get(OPEN_PAGE)
    is_new = key not in st.session_state or st.session_state.get(place) != page
    st.session_state[place] = page
    return is_new


def _write(key: str, chosen: Sequence[str], default: Sequence[str], *, is_new: bool) -> None:
    """Writes a choice into the address when it is made, not at each run: Back would never leave the page."""
    known = f"{key}-written"
    is_made = is_new or st.session_state.get(known) != list(chosen)
    st.session_state[known] = list(chosen)
    wanted = [] if list(chosen) == list(default) else list(chosen)
    if not is_made or st.query_params.get_all(key) == wanted:
        return
    if wanted:
        st.query_params[key] = wanted
    else:
        st.query_params.pop(key, None)

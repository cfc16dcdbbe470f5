"""Count two habits that make prose hard to read, per 1,000 words of docstrings, comments and documents.

`python -m tests.delivery.docs.prose PATH...` prints the counts of files and folders; without a path, those of
the places that have limits. `--lines` prints each sentence that counts.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.project import ROOT

#: A clause in place of a noun: "what it holds" for "its content". A question may use the word.
WHAT = "free-relative what"
#: A condition: "None where absent" for "None if absent".
WHERE = "where for if"
HABITS = {
    WHAT: re.compile(r"\bwhat\b(?![^.]*\?)", re.IGNORECASE),
    WHERE: re.compile(r"\bwhere (?:it|there|they|that|one|the|a|no|nothing|this)\b", re.IGNORECASE),
}
#: Each place counts below these, per 1,000 words.
LIMITS = {WHAT: 3.0, WHERE: 1.0}
PLACES = ("orchestrator", "functions", "local", "docs", "README.md")


@dataclass
class Count:
    """The habits of some texts."""

    words: int = 0
    #: The surroundings of each occurrence, by habit.
    found: dict[str, list[str]] = field(default_factory=lambda: {habit: [] for habit in HABITS})

    def add(self, text: str) -> None:
        """Count a text."""
        self.words += len(text.split())
        for habit, pattern in HABITS.items():
            for match in pattern.finditer(text):
                around = text[max(0, match.start() - 60) : match.end() + 60]
                self.found[habit].append(" ".join(around.split()))

    def rate(self, habit: str) -> float:
        """Occurrences per 1,000 words."""
        return 1000 * len(self.found[habit]) / max(self.words, 1)


def count(path: Path) -> Count:
    """Count a file, or the Python and Markdown files of a folder."""
    counted = Count()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.suffix == ".py":
            for text in _python(file.read_text()):
                counted.add(text)
        elif file.suffix == ".md":
            counted.add(_markdown(file.read_text()))
    return counted


def _python(source: str) -> Iterator[str]:
    """The docstrings and comments of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("#: ")


def _markdown(text: str) -> str:
    """A page without its code blocks, hidden comments and tables."""
    shown = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
    return "\n".join(line for line in shown.splitlines() if not line.startswith("|"))


def main(arguments: Sequence[str]) -> int:
    """Print the counts; 1 if a place that has limits is over one."""
    parser = argparse.ArgumentParser(prog="python -m tests.delivery.docs.prose", description=__doc__)
    parser.add_argument("path", nargs="*", default=PLACES, help="files and folders")
    parser.add_argument("--lines", action="store_true", help="print each sentence that counts")
    options = parser.parse_args(arguments)
    is_over = False
    for name in options.path:
        counted = count(ROOT / name)
        rates = ", ".join(f"{habit} {counted.rate(habit):.2f}" for habit in HABITS)
        sys.stdout.write(f"{name}: {counted.words} words, {rates}\n")
        for habit in HABITS:
            is_over = is_over or counted.rate(habit) >= LIMITS[habit]
            for line in counted.found[habit] if options.lines else ():
                sys.stdout.write(f"  {habit}: … {line} …\n")
    return 1 if is_over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

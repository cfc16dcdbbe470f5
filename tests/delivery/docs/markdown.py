"""Generated parts of Markdown pages: tables, and parts between two markers."""

from __future__ import annotations

import re


def with_part(text: str, marker: str, part: str) -> str:
    """A page with the part between its two markers as it should be."""
    return re.sub(
        rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)",
        lambda match: f"{match[1]}{part}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def listed(words: list[str], last: str) -> str:
    """Words as a list within a sentence: with commas, and a word before the last one."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if words[1:] else "".join(words)

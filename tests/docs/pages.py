"""The pages of the documentation, in pieces."""

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
TROUBLESHOOTING = [ROOT / "docs" / "troubleshooting" / name for name in ("performance.md", "debugging.md")]

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


@frozen
class Snippet:
    """A block of code."""

    page: Path
    number: int
    """From 1, of all that the page has."""
    language: str
    text: str
    """Without the indentation of the block."""

    @property
    def name(self) -> str:
        """For a test."""
        return f"{self.page.stem} {self.number}"

    @property
    def commands(self) -> list[str]:
        """Of a shell: its lines, without comments."""
        lines = (line.strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def snippets(*languages: str) -> list[Snippet]:
    """Those of all troubleshooting pages in these languages."""
    found = []
    for page in TROUBLESHOOTING:
        for number, (indent, language, text) in enumerate(_BLOCK.findall(page.read_text()), 1):
            if language in languages:
                lines = (line.removeprefix(indent) for line in text.splitlines(keepends=True))
                found.append(Snippet(page, number, language, "".join(lines)))
    return found


def commands() -> list[str]:
    """All commands of a shell in them, each once."""
    return list(dict.fromkeys(command for snippet in snippets("bash") for command in snippet.commands))

"""A screen of lines, on a terminal that can move its cursor; it needs nothing that has to be installed."""

import sys
from shutil import get_terminal_size

from tftpd_tw.cli.picture import Picture
from tftpd_tw.cli.top_text import lines

_TAKE = "\033[?1049h\033[?25l"
"""A page of its own, without a cursor."""

_GIVE_BACK = "\033[?25h\033[?1049l"

_HOME, _REST_OF_LINE, _REST_OF_PAGE = "\033[H", "\033[K", "\033[J"


class PlainScreen:
    """Overwrites what was there, so that nothing flickers."""

    def enter(self) -> None:
        """Take it."""
        self._write(_TAKE)

    def leave(self) -> None:
        """Give it back."""
        self._write(_GIVE_BACK)

    def paint(self, picture: Picture) -> None:
        """Show ``picture``."""
        width, height = get_terminal_size()
        shown = list(lines(picture, width, height))[:height]
        self._write(_HOME + f"{_REST_OF_LINE}\n".join(shown) + _REST_OF_LINE + _REST_OF_PAGE)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

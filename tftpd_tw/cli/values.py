"""Values on the command line of a command, by the kinds that settings have."""

import argparse
import re
from collections.abc import Callable
from typing import Any

from tftpd_tw.service.kind import Kind


def of_kind(kind: Kind) -> Callable[[str], Any]:
    """What reads one of that kind, as argparse wants it."""

    def read(text: str) -> Any:
        try:
            return kind.structure(int(text) if re.fullmatch("[0-9]{1,20}", text) else text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read

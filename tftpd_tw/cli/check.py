"""``tftpd-tw check``: what a settings file comes to, or what is wrong with it; nothing is started.

What it finds wrong goes to standard error, what it prints otherwise is a file that the daemon takes, or the page
of ``docs/``.
"""

import argparse
import os
import sys
from typing import Any

from tftpd_tw.service.config_document import effective, example, reference
from tftpd_tw.service.config_file import DEFAULT_FILE, ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.config_warnings import without_effect
from tftpd_tw.service.folders import named_folders
from tftpd_tw.service.hooks import missing_programs
from tftpd_tw.service.privileges import unknown_names


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        description="Name every mistake of a settings file, with its line; or, if there is none, print all"
        " settings that it leads to, as a file. The status is 1 if there are mistakes. What has no effect beside"
        " other settings gets a warning; and so does a folder, user, group or program that this machine does not"
        " have, since the file may be for another one.",
    )
    parser.add_argument("file", metavar="FILE", nargs="?", default=DEFAULT_FILE, help="[default: %(default)s]")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--example", action="store_true", help="print a file with every setting, its default and what it is for"
    )
    instead.add_argument(
        "--reference", action="store_true", help="print the reference of all settings, in Markdown"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Print what was asked for; the exit status."""
    if options.example or options.reference:
        print((example if options.example else reference)(), end="")  # noqa: T201
        return 0
    sources = Sources()
    try:
        sources.add_file(options.file)
        configuration = sources.configuration()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    warnings = list(without_effect(configuration))
    if not configuration.filesystem.root:
        warnings.append((("filesystem", "root"), "is not set, so that nothing is served unless --root says what"))
    for path, base in named_folders(configuration):
        if not os.path.isdir(base):
            warnings.append((path, f"there is no folder {base} on this machine"))
    warnings += ((path, f"{text} on this machine") for path, text in unknown_names(configuration))
    warnings += missing_programs(configuration)
    for path, text in warnings:
        print(sources.told(path, f"warning: {text}"), file=sys.stderr)  # noqa: T201
    print(effective(configuration), end="")  # noqa: T201
    return 0

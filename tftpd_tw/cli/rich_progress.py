"""The progress bar of rich, which need not be installed: import this where it is tried."""

from typing import TextIO

from attrs import define
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from tftpd_tw.cli.plain_progress import Position


@define
class RichPainter:
    """A bar that fits its terminal."""

    _progress: Progress
    _task: TaskID

    @classmethod
    def on(cls, terminal: TextIO, label: str) -> "RichPainter | None":
        """One on ``terminal``; None if that cannot move its cursor."""
        console = Console(file=terminal)
        if console.is_dumb_terminal or not console.is_terminal:
            return None
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = progress.add_task(label, total=None)
        progress.start()
        return cls(progress, task)

    def paint(self, position: Position) -> None:
        """Show this instead of what was there."""
        self._progress.update(self._task, completed=position.byte_count, total=position.size)
        self._progress.refresh()

    def clear(self) -> None:
        """Take the bar away."""
        self._progress.stop()

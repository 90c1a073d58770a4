"""The progress bar of every command: on standard error, only on a terminal, with the time that remains."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


def progress_bar(*, unit: str = "count", keep: bool = False, show: bool = True) -> Progress:
    """A bar that is a context manager; `add_task(description, total=...)` begins it, `update` moves it.

    Args:
        unit: "count" shows how many units are done of how many, "bytes" shows sizes, "share" only the bar.
        keep: whether the finished bar stays on the screen.
        show: False for a bar that is never drawn.
    """
    columns = {"count": (MofNCompleteColumn(),), "bytes": (DownloadColumn(),), "share": ()}[unit]
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=not keep,
        disable=not (show and console.is_terminal),
    )

"""What a process that serves needs, the daemon's or a worker's, before it begins."""

import gc
import time
from typing import Any


def prepare_process(reactor: Any) -> None:
    """What a process that serves needs once, when all is imported.

    Twisted counts in wall-clock time, which is often set only while a machine boots: a step back by an hour would
    stop every timer for an hour (F23). And what was imported is never garbage: to look through it takes the
    collector 10 ms, in which nobody is served.
    """
    if reactor.seconds is time.time:
        reactor.seconds = time.monotonic
    gc.freeze()

"""Run by test_soak.py: ``twistd`` that says at SIGUSR2, in a line of JSON, what is in its memory.

``objects`` are those that the garbage collector knows once there is no garbage, ``calls`` what the reactor is to
call later, ``threads`` the threads that there are.
"""

import gc
import json
import os
import signal
import sys
import threading

from twisted.internet import reactor
from twisted.scripts.twistd import run

OUTPUT = os.dup(1)
"""Where the log goes as well; no line of the log is written in between."""


def say(*_: object) -> None:
    """Do so."""
    gc.collect()
    counts = {
        "objects": len(gc.get_objects()),
        "calls": len(reactor.getDelayedCalls()),
        "threads": threading.active_count(),
    }
    os.write(OUTPUT, b"counts %s\n" % json.dumps(counts).encode())


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, say)
    sys.exit(run())

"""A command's reactor, in a process of its own: it can run once only."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from running import PATIENCE

HEAD = """
import os, signal, sys, threading, time
from twisted.internet.defer import Deferred, CancelledError
from tftpd_tw.cli.exit_statuses import Interrupted
from tftpd_tw.cli.running_client import RunningClient

running = RunningClient()

def say(word):
    print(word, flush=True)

async def for_ever():
    while True:
        try:
            await Deferred()
        except CancelledError:
            pass
"""


@contextmanager
def script(text: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that does so."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HEAD + textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_results_and_errors() -> None:
    """What the work returns or raises; threads may be asked."""
    with script(
        """
        async def work():
            names = await running.in_thread(lambda: threading.current_thread() is threading.main_thread())
            try:
                await running.in_thread(int, "x")
            except ValueError as error:
                raise KeyError(names) from None

        try:
            running.run(work())
        except KeyError as error:
            say(repr(error))
        """
    ) as process:
        assert process.communicate(timeout=PATIENCE) == ("KeyError(False)\n", "")
    with script(
        """
        async def work():
            return 5

        say(running.run(work()))
        """
    ) as process:
        assert process.communicate(timeout=PATIENCE) == ("5\n", "")


WAITS = """
async def work():
    say("begins")
    try:
        await Deferred()
    finally:
        say("cleans up")
        {cleaning}
        say("is clean")

try:
    running.run(work())
except Interrupted as error:
    say(error.exit_status)
say(threading.active_count())
"""


def test_a_signal() -> None:
    """The work is cancelled and cleans up, which may take a moment."""
    with script(WAITS.format(cleaning="await running.in_thread(time.sleep, 0.01)")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=PATIENCE)
    assert (rest.split("\n")[:3], complaints) == (["cleans up", "is clean", "130"], "")


def test_a_second_signal() -> None:
    """It does not wait for that."""
    with script(WAITS.format(cleaning="await for_ever()")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "cleans up\n"
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=PATIENCE)
    assert (rest, complaints) == ("143\n1\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_thread_that_waits_for_ever(number: int) -> None:
    """It does not keep the process alive."""
    with script(
        """
        async def work():
            end, _ = os.pipe()
            await running.in_thread(lambda: (say("waits"), os.read(end, 1)))

        try:
            running.run(work())
        except Interrupted as error:
            sys.exit(error.exit_status)
        """
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_another_thread_gets(number: int) -> None:
    """The reactor, which sleeps meanwhile, wakes up for it."""
    with script(
        f"""
        def state():
            with open(f"/proc/self/task/{{os.getpid()}}/stat", encoding="ascii") as file:
                return file.read().rpartition(") ")[2][0]

        def get_it():
            asleep = 0
            while asleep < 5:
                time.sleep(0.001)
                asleep = asleep + 1 if state() == "S" else 0
            signal.pthread_kill(threading.get_ident(), {int(number)})
            os.read(os.pipe()[0], 1)

        async def work():
            await running.in_thread(get_it)

        try:
            running.run(work())
        except Interrupted as error:
            say(error.exit_status)
        """
    ) as process:
        assert process.communicate(timeout=PATIENCE) == (f"{128 + number}\n", "")


def test_a_signal_that_comes_too_late() -> None:
    """What is done is done."""
    with script(
        """
        async def work():
            os.kill(os.getpid(), signal.SIGINT)
            return "done"

        say(running.run(work()))
        """
    ) as process:
        assert process.communicate(timeout=PATIENCE) == ("done\n", "")

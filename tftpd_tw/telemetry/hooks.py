"""All hooks of a process, from the first report to the last one: who gets which, what came of it, how it ends.

What becomes of reports is counted; what goes wrong is logged as well, once a minute for each hook and kind of
failure.
"""

from collections import Counter
from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tftpd_tw.policy.notices import Notices
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.families import HookResult
from tftpd_tw.telemetry.hook_queue import Hook, HookQueue, InThread, Record
from tftpd_tw.telemetry.json_lines import line_fields
from tftpd_tw.telemetry.reports import Report
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.telemetry.transfer_log import event_of

log = Logger()

STOP_SECONDS = 3.0
"""How long hooks go on when transfers are over and the daemon stops."""


class Hooks:
    """Hands each report that it is told of to the hooks that want it.

    :param worker: the number of this process, for the records
    """

    def __init__(self, clock: IReactorTime, in_thread: InThread, worker: int | None = None) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._worker = worker
        self._queues: list[HookQueue] = []
        self._old: list[HookQueue] = []
        """Those of hooks that are not used any more and have something to do."""
        self._results: Counter[HookResult] = Counter()
        self._notices = Notices()
        self._given_up = 0
        self._hurrying = False
        self._timer: IDelayedCall | None = None
        self._closed: Deferred[None] | None = None

    def use(self, hooks: Iterable[Hook]) -> None:
        """From now on these. What others have to do, they do."""
        before = {queue.hook: queue for queue in self._queues}
        self._queues = [before.pop(hook) if hook in before else self._queue(hook) for hook in hooks]
        self._old += (queue for queue in before.values() if queue.busy)

    def __call__(self, report: Report) -> None:
        """Hand it on."""
        for queue in self._queues:
            if not queue.hook.wants(report):
                continue
            if self._hurrying:
                self._note(queue.hook, HookResult.DROPPED, "")
            else:
                queue.add(report)

    def add_figures(self, totals: Totals) -> None:
        """Add what became of reports."""
        for result, count in self._results.items():
            totals.count(families.HOOK_RUNS, result.value, by=count)

    def close(self) -> "Deferred[None]":
        """There are no more reports. Fires when all is done, or the time for that is over."""
        closed = self._closed = Deferred()
        if self._hurrying:
            self._finish()
        else:
            self._timer = self._clock.callLater(STOP_SECONDS, self._give_up)
            self._idle()
        return closed

    def hurry(self) -> None:
        """Do nothing more, not before :meth:`close` and not then, and end what is being done."""
        self._hurrying = True
        self._give_up()

    def _queue(self, hook: Hook) -> HookQueue:
        return HookQueue(hook, self._clock, self._in_thread, self._record_of, self._note, self._idle)

    def _record_of(self, report: Report) -> Record:
        return line_fields({**event_of(report), "worker": self._worker})

    def _note(self, hook: Hook, result: HookResult, why: str) -> None:
        self._results[result] += 1
        if not why:
            self._given_up += result is not HookResult.SUCCESS
            return
        more = self._notices.due((hook.name, result), self._clock.seconds())
        if more is not None:
            since = f" more={more}" if more else ""
            log.warn("hook {name}: {why}{since}", name=hook.name, why=why, since=since)

    def _idle(self) -> None:
        self._old = [queue for queue in self._old if queue.busy]
        if not self._old and not any(queue.busy for queue in self._queues):
            self._finish()

    def _give_up(self) -> None:
        for queue in (*self._queues, *self._old):
            queue.give_up()
        self._finish()

    def _finish(self) -> None:
        closed, self._closed = self._closed, None
        if closed is None:
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._given_up:
            log.warn("{count} reports were given up by hooks, since the daemon stops", count=self._given_up)
        closed.callback(None)

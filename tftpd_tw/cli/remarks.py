"""What there is to say of a transfer beside how it ended: what was granted, whether it was slow, and why."""

from collections.abc import Callable, Iterator

from tftpd_tw.cli.told import Told
from tftpd_tw.protocol.options import DEFAULT_BLKSIZE
from tftpd_tw.service.units import duration, size

MANY_RESENT = 0.01
"""Of the blocks; what is less is no reason for anything."""

FEW_RESENT = 5
"""Packets that are sent again and mean nothing, however short the transfer."""

SLOW, LONG = 2e6, 3.0
"""Bytes per second, and seconds: who gets less for longer waits for something."""

_BOUND = 0.4
"""Which part of what round trips allow has to come through for them to be what is waited for."""

_OPTIONS = ("blksize", "windowsize", "timeout")
"""Those that make a difference; the size is told to whoever asks."""


def remarks(told: Told) -> list[str]:
    """Sentences."""
    return [sentence for remark in _REMARKS for sentence in remark(told)]


def _treated(told: Told) -> Iterator[str]:
    if told.profile:
        yield f"It was treated by the profile {told.profile} (clients.profiles)."


def _granted(told: Told) -> Iterator[str]:
    if told.agreed is None or told.asked is None:
        return
    asked = {name: told.asked[name] for name in _OPTIONS if name in told.asked}
    granted = {name: told.agreed[name] for name in asked if name in told.agreed}
    if not asked:
        yield f"It asked for no larger blocks, so it is sent {DEFAULT_BLKSIZE} bytes at a time."
    elif granted == asked:
        yield f"It asked for {_pairs(asked)}, and was granted that."
    else:
        yield f"It asked for {_pairs(asked)}, and was granted {_pairs(granted) or 'none of that'}."


def _pairs(options: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def _resent(told: Told) -> Iterator[str]:
    if told.retransmits > FEW_RESENT and told.retransmits > MANY_RESENT * told.blocks:
        yield (
            f"{told.retransmits} packets were sent again, of {told.blocks} blocks: they get lost on the way. Look"
            " at cables, switches and the client's network card; smaller windows (windowsize) lose less where a"
            " switch on the way has little memory."
        )


def _waited(told: Told) -> Iterator[str]:
    if not told.rate or told.rate >= SLOW or (told.seconds or 0.0) < LONG:
        return
    window, block = _agreed(told, "windowsize", 1), _agreed(told, "blksize", DEFAULT_BLKSIZE)
    if told.round_trip_ms and told.rate > _BOUND * (most := window * block / told.round_trip_ms * 1000):
        yield (
            f"It was slow, {size(told.rate)}/s, since each window of {window} x {block} bytes waits for a round"
            f" trip of {duration(told.round_trip_ms / 1000)}: no more than {size(most)}/s come through. If the"
            " client can ask for more (blksize, windowsize), have it do so, and see that it is granted."
        )
    else:
        yield (
            f"It was slow, {size(told.rate)}/s, and not for want of answers: the disk, a limit"
            " (security.rate_limit and its like) or the client's pauses may be why."
        )


def _agreed(told: Told, name: str, default: int) -> int:
    text = (told.agreed or {}).get(name, "")
    return int(text) if text.isdigit() and len(text) < 10 else default


_REMARKS: tuple[Callable[[Told], Iterator[str]], ...] = (_treated, _granted, _resent, _waited)

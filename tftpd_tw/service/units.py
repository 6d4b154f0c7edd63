"""Sizes and times as people write them: ``64KiB``, ``1Gi``, ``512MB``; ``500ms``, ``5m``, ``1h``.

``Ki``, ``KiB`` and their like count in 1024s, ``KB`` and its like in 1000s, in any case of letters. A lone ``K``
or ``M`` is refused, since half of the world means the one and half the other.

And rounded, as they are shown to people: ``1.23 GB``, ``2 h 5 min``.
"""

import re

_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_BYTES = {
    "": 1,
    "b": 1,
    **_BINARY,
    **{f"{unit}b": factor for unit, factor in _BINARY.items()},
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_MILLISECONDS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

_QUANTITY = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?([A-Za-z]*)")


def read_size(value: object) -> int:
    """Bytes.

    :raises ValueError: that is no size, or no whole number of bytes
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    size, divisor = _quantity(value, _BYTES)
    if size % divisor:
        raise ValueError("a fraction of a byte")
    return size // divisor


def write_size(size: int) -> int | str:
    """``size`` in the largest binary unit that it is a whole number of."""
    for unit, factor in reversed(_BINARY.items()):
        if size and size % factor == 0:
            return f"{size // factor}{unit.capitalize()}B"
    return size


def read_time(value: object) -> float:
    """Seconds.

    :raises ValueError: that is no time
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    milliseconds, divisor = _quantity(value, _MILLISECONDS)
    return milliseconds / (divisor * 1000)


def write_time(seconds: float) -> int | float | str:
    """``seconds`` in the largest unit that it is a whole number of; a bare number where there is none."""
    milliseconds = round(seconds * 1000)
    if milliseconds / 1000 != seconds:
        return seconds
    for unit in ("d", "h", "m", "s", "ms"):
        if milliseconds % _MILLISECONDS[unit] == 0 and milliseconds:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    return 0


def _quantity(value: object, units: dict[str, int]) -> tuple[int, int]:
    """A whole number, and what it is to be divided by: exact without :mod:`fractions`, which is slow to import."""
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[3].lower() not in units:
        raise ValueError("no quantity")
    decimals = found[2] or ""
    divisor: int = 10 ** len(decimals)
    return int(found[1] + decimals) * units[found[3].lower()], divisor


def number(value: float) -> str:
    """Three digits, or as many as it has before the point."""
    return f"{value:.{max(0, 3 - len(str(int(value))))}f}" if value else "0"


def size(count: float) -> str:
    """Bytes in decimal units, rounded."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} B" if unit == "B" else f"{number(count)} {unit}"
        count /= 1000
    return f"{number(count)} TB"


def duration(seconds: float) -> str:
    """From fractions of a millisecond to days, rounded."""
    if seconds < 1:
        return f"{number(seconds * 1000)} ms"
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if hours < 1:
        return f"{minutes} min {int(seconds) % 60} s"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"

"""A dictionary that makes what it is asked for and forgets what was not asked for longest.

Whatever is kept for each client would otherwise grow with the number of addresses that somebody can forge.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from attrs import define, field

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CAPACITY = 16_384
"""Values that are kept: a few megabytes of them."""


@define(eq=False)
class Recent(Generic[K, V]):
    """Values by key, made when they are first asked for."""

    _make: Callable[[], V]
    _capacity: int = CAPACITY
    _values: OrderedDict[K, V] = field(init=False, factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V:
        """The value of ``key``; a new one if it has none, or if that was forgotten."""
        value = self._values.get(key)
        if value is None:
            if len(self._values) >= self._capacity:
                self._values.popitem(last=False)
            value = self._values[key] = self._make()
        else:
            self._values.move_to_end(key)
        return value

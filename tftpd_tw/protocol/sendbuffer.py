"""The content that a sender holds: from the first unacknowledged block on, cut into DATA packets.

What is acknowledged is forgotten and what comes is appended, so that nothing is ever read twice. Mostly a read
is a window and the one before is still in flight: they stay two pieces, since to join them would copy each byte
twice. netascii is encoded on the way in: a repeated block is the same bytes as before (rule C145).
"""

from tftpd_tw.protocol import netascii
from tftpd_tw.protocol.errors import SourceTruncated
from tftpd_tw.protocol.lifecycle import Burst
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.packets import HEADER_SIZE, Opcode, header

MAX_BURST_BYTES = 65507
"""The payload of the largest UDP datagram over IPv4, which also bounds a segmented send."""

DATA = Opcode.DATA.value

MAX_BURST_BLOCKS = 64
"""Segments that every kernel with UDP_SEGMENT takes in one call."""


class SendBuffer:
    """Blocks ``base`` to ``ready``, and maybe the beginning of one more."""

    __slots__ = (
        "_base",
        "_blksize",
        "_burst_blocks",
        "_fetched",
        "_netascii",
        "_older",
        "_older_base",
        "_size",
        "_view",
        "ended",
        "final",
        "length",
        "ready",
        "wire",
    )

    def __init__(self, agreed: Agreed, size: int | None, text: bool) -> None:
        """Empty.

        :param size: bytes of content, or None if it ends when a read gives nothing
        :param text: encode as netascii
        """
        self._blksize = agreed.blksize
        self.wire = agreed.rollover.wire
        """The number that stands for a block on the wire."""
        self._burst_blocks = max(1, min(MAX_BURST_BLOCKS, MAX_BURST_BYTES // (agreed.blksize + HEADER_SIZE)))
        self._netascii = text
        self._size = size
        self._fetched = 0
        # Two pieces, the older one of whole blocks and maybe empty; each with the number of its first block.
        self._older = memoryview(b"")
        self._older_base = 1
        self._view = memoryview(b"")
        self._base = 1
        self.ready = 0
        """The last block that is here completely."""
        self.final: int | None = None
        """The last block of all, once it is known."""
        self.length = 0
        """Bytes on the wire of all that has come."""
        self.ended = False
        """Nothing more will come."""

    def room(self, acked: int, capacity: int) -> int:
        """How many bytes to read next, so that ``capacity`` bytes after block ``acked`` are held; 0 at the end.

        Whole blocks, where there is room for one.
        """
        room = capacity - (len(self._view) - (acked + 1 - self._base) * self._blksize)
        if self._size is not None and room >= self._size - self._fetched:
            return self._size - self._fetched
        return room - room % self._blksize or room

    def add(self, data: bytes | bytearray | memoryview, acked: int) -> None:
        """Append ``data``, nothing at the end of the content; forget everything up to block ``acked``.

        :raises SourceTruncated: the content ended before its size
        """
        if self._size is not None:
            left = self._size - self._fetched
            if len(data) > left:
                data = data[:left]  # it grew; what was promised is its size when it was opened
            if left and not data:
                raise SourceTruncated(f"{self._fetched} of {self._size} bytes were there")
        self._fetched += len(data)
        self.ended = not data or self._fetched == self._size
        if self._netascii:
            data = netascii.encode(bytes(data))
        base = max(acked, 0) + 1
        if base < self._base and self._older:
            rest = memoryview(b"".join((self._older[(base - self._older_base) * self._blksize :], self._view)))
        else:
            rest = self._view[(base - self._base) * self._blksize :]
        if len(rest) % self._blksize:
            self._older, self._older_base = memoryview(b""), base
            self._view, self._base = memoryview(b"".join((rest, data))), base
        else:
            self._older, self._older_base = rest, base
            self._view, self._base = memoryview(data), base + len(rest) // self._blksize
        self.length += len(data)
        self.ready = self._base + len(self._view) // self._blksize - 1
        if self.ended:
            # The last block is shorter than the others, maybe empty.
            self.ready += 1
            self.final = self.ready

    def bursts(self, first: int, last: int) -> list[Burst]:
        """Blocks ``first`` to ``last`` as DATA, each burst as much as one system call can send."""
        blksize, view, base = self._blksize, self._view, self._base
        if first < base:
            if last >= base:
                return self.bursts(first, base - 1) + self.bursts(base, last)
            view, base = self._older, self._older_base
        start = (first - base) * blksize
        if first == last:
            return [[header(DATA, first if first < 65536 else self.wire(first)), view[start : start + blksize]]]
        bursts: list[Burst] = []
        while first <= last:
            stop = min(first + self._burst_blocks, last + 1)
            burst: Burst = []
            for block in range(first, stop):
                end = start + blksize
                burst.append(header(DATA, block if block < 65536 else self.wire(block)))
                burst.append(view[start:end])
                start = end
            bursts.append(burst)
            first = stop
        return bursts

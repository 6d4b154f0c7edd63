"""All cases, in the order in which they are sent."""

from name_cases import LAST, NAMES, WRITES
from option_cases import BLKSIZE, OTHER_OPTIONS, TIMEOUT, TSIZE, WINDOWSIZE
from request_cases import CUT, MODES, OPCODES

CASES = (
    *(*MODES, *CUT, *OPCODES),
    *(*NAMES, *WRITES),
    *(*BLKSIZE, *WINDOWSIZE, *TIMEOUT, *TSIZE, *OTHER_OPTIONS),
    *LAST,
)

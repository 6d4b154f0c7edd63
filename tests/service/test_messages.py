"""What the daemon and its workers say to each other."""

import json

import pytest
from other_settings import OTHERWISE

from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.messages import Assignment, Change, pack_places, unpack_places
from tftpd_tw.service.opening import Place

PLACES = (Place("fe80::1%eth0", 69, "eth0", True, 2), Place("127.0.0.1", 6969))


@pytest.mark.parametrize("configuration", [Configuration(), OTHERWISE], ids=["defaults", "otherwise"])
def test_a_worker_gets_every_setting(configuration: Configuration) -> None:
    """As it is, whatever its type, and in one line."""
    assignment = Assignment(2, configuration, PLACES, cpu=3)
    line = assignment.line()
    assert line.count(b"\n") == 1
    assert Assignment.from_line(line) == assignment
    change = Change(configuration, PLACES, new_sockets=1, new_folders=2)
    assert Change.from_message(json.loads(change.line())) == change


def test_the_daemon_gets_places() -> None:
    """With what does not make them different ones, which their text has."""
    assert str(unpack_places(json.loads(json.dumps(pack_places(PLACES))))) == str(PLACES)

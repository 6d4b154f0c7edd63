"""The backend of switch_configs.py, tested without a network and without waiting.

Run it with ``python -m pytest examples/test_switch_configs.py``.
"""

import pytest
from twisted.internet.task import deferLater

from examples.switch_configs import LARGEST, SwitchConfigs
from tftpd_tw.backends.memory import BytesReader
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.testing import CLIENT, MemoryNetwork

CONFIGURATION = b"hostname sw1\n" * 1000 + b"end\n"


def test_a_configuration_arrives_in_spite_of_loss() -> None:
    network = MemoryNetwork(loss=0.2, seed=7)
    configs = SwitchConfigs({CLIENT: "sw1"})
    network.serve(configs)
    network.put(b"startup", CONFIGURATION, window_size=4)
    assert configs.saved == {"sw1": CONFIGURATION}


@pytest.mark.parametrize(("sent", "reason"), [(b"x", "error:0"), (b"x" * (LARGEST + 1), "error:3")])
def test_what_is_no_configuration_is_refused(sent: bytes, reason: str) -> None:
    network = MemoryNetwork()
    configs = SwitchConfigs({CLIENT: "sw1"})
    network.serve(configs)
    with pytest.raises(TransferFailed) as caught:
        network.put(b"startup", sent)
    assert (caught.value.reason, configs.saved) == (reason, {})


def test_a_switch_that_falls_silent_is_given_up_after_half_a_minute() -> None:
    network = MemoryNetwork()
    network.serve(SwitchConfigs({CLIENT: "sw1"}))
    client = network.client(block_size=512, window_size=1)
    client.put(b"startup", BytesReader(CONFIGURATION)).addErrback(lambda _: None)
    network.run(deferLater(network.clock, 0.005))
    network.drop = lambda datagram: True
    network.run_until_idle()
    assert [record.reason for record in network.records.ended] == ["client-vanished"]
    assert network.records.ended[0].seconds == pytest.approx(30, abs=0.1)

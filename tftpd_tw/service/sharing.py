"""What is one worker's part of the settings that are meant for the whole daemon."""

from attrs import evolve

from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.value_types import AnswerRate, Answers, CacheSize, Connections, Rate, Runs


def share_of_worker(configuration: Configuration, number: int, count: int) -> Configuration:
    """The settings of worker ``number`` of ``count``, from 1.

    A broadcast reaches every socket on its port, so that only one worker may answer it. Memory, transfers, the
    rate of all, what goes to those who never answer, and runs of hooks are divided. What is for each client is
    not: the kernel deals out clients by address and port, so that a single transfer would get a part of what its
    client may have.
    """
    network, security, performance = configuration.network, configuration.security, configuration.performance
    total, monitoring = security.rate_limit_total, configuration.monitoring
    hooks = tuple(evolve(hook, at_once=Runs(max(1, hook.at_once // count))) for hook in monitoring.on_transfer)
    return evolve(
        configuration,
        network=evolve(network, answer_broadcast=network.answer_broadcast and number == 1),
        cache=evolve(configuration.cache, size=CacheSize(configuration.cache.size // count)),
        performance=evolve(performance, max_connections=Connections(-(-performance.max_connections // count))),
        security=evolve(
            security,
            rate_limit_total=None if total is None else Rate(total / count),
            answers=Answers(max(MAX_UNVERIFIED_SENDS, security.answers // count)),
            answers_per_second=AnswerRate(security.answers_per_second / count),
        ),
        monitoring=evolve(monitoring, on_transfer=hooks),
    )

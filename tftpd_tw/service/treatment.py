"""From the settings to what the server asks of each request: may it be, how many, how fast, on which terms."""

from collections.abc import Callable, Sequence

from attrs import evolve

from tftpd_tw.backends.names import normalise
from tftpd_tw.interfaces import IBackend, ITransferObserver, Request
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.net.sockets import interface_name
from tftpd_tw.policy.access import Authorizer, Restrictions, Rule
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.endurance import Endurance
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.limits import Bounds, Limits
from tftpd_tw.policy.profiles import ALL_OPTIONS as EVERY_OPTION
from tftpd_tw.policy.profiles import InterfaceName, Profile, Profiles
from tftpd_tw.policy.rates import Rates, Throttling
from tftpd_tw.protocol.options import MAX_BLKSIZE, Policy
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.service.configuration import Configuration, Performance, Security
from tftpd_tw.service.rule_settings import AccessRule, ClientProfile
from tftpd_tw.service.value_types import ALL_OPTIONS, FIT_MTU


def make_server(
    engine: IEngine,
    backend: IBackend,
    configuration: Configuration,
    observers: Sequence[ITransferObserver],
    limits: Limits,
) -> Server:
    """Everything that a listener asks, with ``limits`` that may have been in use before."""
    terms, security = make_terms(configuration.performance), configuration.security
    return Server(
        engine,
        backend,
        terms,
        observers,
        make_authorizer(configuration),
        limits,
        make_endurance(security),
        make_throttling(security),
        make_terms_for(terms, make_profiles(configuration.clients.profiles)),
    )


def make_terms(performance: Performance) -> Terms:
    """How clients are treated for whom nothing else is set."""
    fit_mtu = performance.block_size == FIT_MTU
    policy = Policy(
        max_blksize=MAX_BLKSIZE if fit_mtu else performance.block_size,
        max_windowsize=performance.window_size,
        max_window_bytes=performance.buffer_size,
    )
    patience = Patience(performance.timeout, performance.max_retries)
    return Terms(policy, patience, fit_mtu, performance.mtu_slack, performance.buffer_size)


def make_terms_for(general: Terms, profiles: Profiles | None) -> Callable[[Request], Terms] | None:
    """What finds the terms of a request; None where they are ``general`` for all."""
    if profiles is None:
        return None
    terms: dict[Profile, Terms] = {}

    def find(request: Request) -> Terms:
        profile = profiles.find(request)
        if profile is None:
            return general
        if profile not in terms:
            fit_mtu = general.fit_mtu if profile.fit_mtu is None else profile.fit_mtu
            policy, patience = profile.policy(general.policy), profile.patience(general.patience)
            terms[profile] = evolve(
                general,
                policy=policy,
                patience=patience,
                fit_mtu=fit_mtu,
                single_port=profile.single_port,
                profile=profile.name,
            )
        return terms[profile]

    return find


def make_profiles(
    settings: Sequence[ClientProfile], interface_name: InterfaceName = interface_name
) -> Profiles | None:
    """What finds the profile of a request; None where there are none."""
    return Profiles(map(_profile, settings), normalise, interface_name) if settings else None


def make_authorizer(configuration: Configuration) -> Authorizer | None:
    """Who decides on requests; None where all may be."""
    security, ignore_case = configuration.security, configuration.filesystem.ignore_case
    simple = Restrictions(
        security.read_enabled,
        security.write_enabled,
        security.allowed_clients,
        security.denied_clients,
        security.allowed_extensions,
        security.denied_patterns,
    )
    rules = (*simple.rules(), *(_rule(rule, ignore_case) for rule in security.rules))
    return Authorizer(rules, normalise) if rules else None


def make_bounds(configuration: Configuration) -> Bounds:
    """How much at a time."""
    security = configuration.security
    return Bounds(
        configuration.performance.max_connections,
        security.connections_per_client,
        security.unverified_share,
        security.answers,
        security.answers_per_second,
        security.answers_ipv6_prefix,
    )


def make_throttling(security: Security) -> Throttling | None:
    """How fast; None where there is no limit."""
    rates = Rates(security.rate_limit, security.rate_limit_per_client, security.rate_limit_total)
    return Throttling(rates) if rates != Rates() else None


def make_endurance(security: Security) -> Endurance | None:
    """How long, and how slow; None where there is no limit."""
    endurance = Endurance(security.longest_transfer, security.slowest_rate)
    return endurance if endurance != Endurance() else None


def _rule(rule: AccessRule, ignore_case: bool) -> Rule:
    return Rule(
        rule.name,
        rule.action,
        _networks(rule.clients),
        _networks(rule.other_clients_than),
        _globs(rule.paths, ignore_case),
        _globs(rule.other_paths_than, ignore_case),
        rule.only,
    )


def _profile(profile: ClientProfile) -> Profile:
    size, options = profile.block_size, profile.refused_options
    refused = EVERY_OPTION if ALL_OPTIONS in options else frozenset(map(str.encode, options))
    return Profile(
        profile.name,
        _networks(profile.clients),
        _networks(profile.asked),
        frozenset(profile.interfaces) or None,
        _globs(profile.paths, ignore_case=True),
        root=profile.root,
        block_size=MAX_BLKSIZE if size == FIT_MTU else size,
        fit_mtu=None if size is None else size == FIT_MTU,
        window_size=profile.window_size,
        timeout=profile.timeout,
        refused=refused or None,
        single_port=profile.single_port,
    )


def _networks(networks: Sequence[str]) -> Networks | None:
    return Networks(networks) if networks else None


def _globs(globs: Sequence[str], ignore_case: bool) -> Globs | None:
    return Globs.compile((glob.encode() for glob in globs), ignore_case=ignore_case) if globs else None

"""Settings that have no effect beside the others: worth a warning, since whoever made them believes otherwise.

Two tables say which: :data:`_IDLE`, what nobody asks where something else is switched off, and :data:`_UNREACHED`,
limits that a lower one keeps from being reached.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.service.config_reader import dotted
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.opening import places
from tftpd_tw.service.setting import Path, settings
from tftpd_tw.service.value_types import FIT_MTU


def without_effect(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """The path of each setting that is not at its default and might as well be, with the reason."""
    for setting in settings(Configuration):
        if _value(configuration, setting.path) != setting.default:
            reason = next(_reasons(configuration, setting.path), None)
            if reason is not None:
                yield setting.path, f"has no effect, since {reason}"


def _reasons(configuration: Configuration, path: tuple[str, str]) -> Iterator[str]:
    for paths, reason, idle in _IDLE:
        if path in paths and idle(configuration):
            yield reason
    for higher, lower in _UNREACHED:
        if path == higher:
            own, other = _value(configuration, higher), _value(configuration, lower)
            if own is not None and other is not None and own >= other:
                yield f"{dotted(lower)} is not above it"


def _value(configuration: Configuration, path: tuple[str, str]) -> Any:
    return getattr(getattr(configuration, path[0]), path[1])


def _in(section: str, *keys: str) -> tuple[tuple[str, str], ...]:
    return tuple((section, key) for key in keys)


_OF_UPLOADS = _in(
    "filesystem",
    "upload_root",
    "versions",
    "max_file_size",
    "quota",
    "quota_per_client",
    "reserve",
    "upload_mode",
    "upload_owner",
    "upload_group",
    "fsync",
)


def _no_block_size_fits_the_mtu(whole: Configuration) -> bool:
    return FIT_MTU not in (
        whole.performance.block_size,
        *(profile.block_size for profile in whole.clients.profiles),
    )


def _no_transfer_has_a_port(whole: Configuration) -> bool:
    return all(place.single_port for place in places(whole.network)) and all(
        profile.single_port is not False for profile in whole.clients.profiles
    )


def _no_listener_takes_the_port(whole: Configuration) -> bool:
    return not any(listener.port is None for listener in whole.network.listeners) and bool(
        whole.network.listeners and not whole.network.addresses
    )


_IDLE: tuple[tuple[tuple[tuple[str, str], ...], str, Callable[[Configuration], bool]], ...] = (
    (_OF_UPLOADS, "filesystem.uploads is deny", lambda whole: whole.filesystem.uploads is UploadPolicy.DENY),
    (
        (*_OF_UPLOADS, ("filesystem", "uploads")),
        "security.write_enabled is false",
        lambda whole: not whole.security.write_enabled,
    ),
    (
        _in("filesystem", "versions"),
        "filesystem.uploads is not versions",
        lambda whole: whole.filesystem.uploads is not UploadPolicy.VERSIONS,
    ),
    (_in("cache", "size", "ttl"), "cache.enabled is false", lambda whole: not whole.cache.enabled),
    (
        _in("performance", "thread_pool_size"),
        "performance.async_io is false",
        lambda whole: not whole.performance.async_io,
    ),
    (_in("performance", "cpu_affinity"), "performance.workers is 1", lambda whole: whole.performance.workers == 1),
    (_in("performance", "mtu_slack"), "no block_size is mtu", _no_block_size_fits_the_mtu),
    (_in("network", "port_range"), "all transfers stay on the port that was asked", _no_transfer_has_a_port),
    (_in("network", "port"), "every listener has a port of its own", _no_listener_takes_the_port),
)
"""Which settings, why, and when that is so."""

_UNREACHED = (
    (("filesystem", "max_file_size"), ("filesystem", "quota")),
    (("filesystem", "quota_per_client"), ("filesystem", "quota")),
    (("security", "connections_per_client"), ("performance", "max_connections")),
    (("security", "rate_limit"), ("security", "rate_limit_per_client")),
    (("security", "rate_limit"), ("security", "rate_limit_total")),
    (("security", "rate_limit_per_client"), ("security", "rate_limit_total")),
)
"""A limit, and one that is reached before it."""

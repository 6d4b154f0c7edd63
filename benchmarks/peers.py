"""The servers that are compared: ours and its peers, which are fetched into a folder that git ignores.

Debian's packages are downloaded and unpacked, not installed: no service starts. The Python peers get a virtual
environment of their own. A peer that cannot be fetched is left out, and the report says so.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from benchmarks.places import BUILD, HERE, PROJECT

UNPACKED = BUILD / "peers" / "debian"
VENV = BUILD / "peers" / "venv"
PATIENCE = 300
"""Seconds that fetching one peer may take."""

TWISTD = str(Path(sys.executable).with_name("twistd"))
OURS = "tftpd-tw"
OURS_2 = "tftpd-tw (2 workers)"
LIBRARIES = {
    "libwrap.so.0": "libwrap0",
    "libnetfilter_conntrack.so.3": "libnetfilter-conntrack3",
    "libnfnetlink.so.0": "libnfnetlink0",
    "libnftables.so.1": "libnftables1",
    "libnftnl.so.11": "libnftnl11",
    "libmnl.so.0": "libmnl0",
    "libjansson.so.4": "libjansson4",
    "libxtables.so.12": "libxtables12",
    "libedit.so.2": "libedit2",
    "libbsd.so.0": "libbsd0",
    "libmd.so.0": "libmd0",
    "libnsl.so.2": "libnsl2",
    "libtirpc.so.3": "libtirpc3",
    "libnettle.so.8": "libnettle8",
    "libhogweed.so.6": "libhogweed6",
    "libidn2.so.0": "libidn2-0",
    "libpcre2-8.so.0": "libpcre2-8-0",
    "libpcre.so.3": "libpcre3",
    "libdbus-1.so.3": "libdbus-1-3",
}
"""The packages of the libraries that the peers need and a small Debian may lack."""


class Unavailable(Exception):
    """A peer that cannot be had here, and why."""


@frozen
class Peer:
    """A server: how to get it and how to start it."""

    name: str
    command: Callable[[str, int, Path], list[str]]
    """The command line for an address, a port and a folder."""
    fetch: Callable[[], str]
    """Gets it and returns its version; raises Unavailable."""
    python: bool = False
    uploads: bool = True
    port: int | None = None
    """The port, where it cannot be chosen."""
    address: str = "127.0.0.1"


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {type(error).__name__}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()[-1]
        raise Unavailable(f"{Path(command[0]).name}: {last}")
    return done.stdout


def _unpack(package: str) -> None:
    """Download a Debian package and unpack it, once."""
    folder, stamp = UNPACKED / package, UNPACKED / f".{package}"
    if stamp.exists():
        return
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise Unavailable(f"no {tool} here")
    UNPACKED.mkdir(parents=True, exist_ok=True)
    try:
        _run("apt-get", "-qq", "download", package, cwd=UNPACKED)
    except Unavailable:
        _run("apt-get", "-qq", "update")
        _run("apt-get", "-qq", "download", package, cwd=UNPACKED)
    for archive in UNPACKED.glob(f"{package}_*.deb"):
        _run("dpkg", "-x", str(archive), str(folder))
        stamp.write_text(archive.name.split("_")[1].replace("%3a", ":"))
        archive.unlink()


def library_path() -> str:
    """LD_LIBRARY_PATH of the unpacked libraries, which are used where the system has none."""
    return os.pathsep.join(
        str(folder) for folder in (*UNPACKED.glob("*/usr/lib/*-linux-*"), *UNPACKED.glob("*/lib/*-linux-*"))
    )


def environment(command: list[str]) -> dict[str, str]:
    """What that command needs to be started with."""
    unpacked = command[0].startswith(str(UNPACKED))
    return {**os.environ, **({"LD_LIBRARY_PATH": library_path()} if unpacked else {})}


def _fetch_debian(package: str, program: str) -> str:
    """Unpack a package, then the libraries it lacks, then theirs."""
    _unpack(package)
    path = UNPACKED / package / "usr" / "sbin" / program
    for _ in range(6):
        environment = f"LD_LIBRARY_PATH={library_path()}"
        linked = _run("env", environment, "ldd", str(path)).splitlines()
        missing = [line.split()[0] for line in linked if "not found" in line]
        if not missing:
            return (UNPACKED / f".{package}").read_text()
        for library in missing:
            if library not in LIBRARIES:
                raise Unavailable(f"{library} is missing")
            _unpack(LIBRARIES[library])
    raise Unavailable("its libraries are missing")


def _fetch_dnsmasq() -> str:
    if os.geteuid() != 0:
        raise Unavailable("only root can start it: its port is always 69")
    return _fetch_debian("dnsmasq-base", "dnsmasq")


def _fetch_python(package: str, version: str) -> str:
    stamp = VENV / f".{package}-{version}"
    if not stamp.exists():
        if not (VENV / "bin" / "pip").exists():
            _run(sys.executable, "-m", "venv", str(VENV))
        _run(str(VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", f"{package}=={version}")
        stamp.touch()
    return version


def _fetch_ours() -> str:
    from tftpd_tw import __version__

    return str(__version__)


def _has_workers() -> str:
    """Our version, if the daemon can have workers."""
    if "--workers" not in _run(TWISTD, "tftpd", "--help"):
        raise Unavailable("the daemon has no --workers yet")
    return _fetch_ours()


def _ours(address: str, port: int, root: Path) -> list[str]:
    return [
        *(TWISTD, "-n", "--pidfile=", "tftpd", "--root", str(root), "--address", address, "--port", str(port)),
        *("--http", "off", "--uploads", "overwrite"),
    ]


def _ours_2(address: str, port: int, root: Path) -> list[str]:
    return [*_ours(address, port, root), "--workers", "2"]


def _tftpd_hpa(address: str, port: int, root: Path) -> list[str]:
    options = ["-L", "-4", "-s", "-c", "-p", "-u", "root", "-a", f"{address}:{port}"]
    return [str(UNPACKED / "tftpd-hpa/usr/sbin/in.tftpd"), *options, str(root)]


def _atftpd(address: str, port: int, root: Path) -> list[str]:
    options = ["--daemon", "--no-fork", "--bind-address", address, "--port", str(port), "--maxthread", "2000"]
    return [
        str(UNPACKED / "atftpd/usr/sbin/atftpd"),
        *options,
        "--user",
        "root",
        "--group",
        "root",
        "--verbose=0",
        str(root),
    ]


def _dnsmasq(address: str, port: int, root: Path) -> list[str]:
    # The size of its DNS buffer is also its largest blksize; its default number of transfers is 50.
    return [
        *(
            str(UNPACKED / "dnsmasq-base/usr/sbin/dnsmasq"),
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--pid-file=",
        ),
        *("--user=root", "--group=root", "--bind-interfaces", f"--listen-address={address}", "--log-facility=-"),
        *("--enable-tftp", f"--tftp-root={root}", "--tftp-max=2000", "--edns-packet-max=65535", "--quiet-tftp"),
    ]


def _python_server(name: str) -> Callable[[str, int, Path], list[str]]:
    def command(address: str, port: int, root: Path) -> list[str]:
        return [
            str(VENV / "bin" / "python"),
            str(HERE / "servers" / f"{name}_server.py"),
            address,
            str(port),
            str(root),
        ]

    return command


PEERS = (
    Peer(OURS, _ours, _fetch_ours, python=True),
    Peer(OURS_2, _ours_2, _has_workers, python=True),
    Peer("tftpd-hpa", _tftpd_hpa, lambda: _fetch_debian("tftpd-hpa", "in.tftpd")),
    Peer("atftpd", _atftpd, lambda: _fetch_debian("atftpd", "atftpd")),
    Peer("dnsmasq", _dnsmasq, _fetch_dnsmasq, uploads=False, port=69, address="127.0.0.69"),
    Peer("fbtftp", _python_server("fbtftp"), lambda: _fetch_python("fbtftp", "0.5"), python=True, uploads=False),
    Peer("tftpy", _python_server("tftpy"), lambda: _fetch_python("tftpy", "0.8.7"), python=True),
    Peer("py3tftp", _python_server("py3tftp"), lambda: _fetch_python("py3tftp", "1.3.0"), python=True),
)
PYTHON_PEERS = tuple(peer.name for peer in PEERS if peer.python and peer.name not in (OURS, OURS_2))


def fetch(peers: tuple[Peer, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of those that are there, and why the others are not."""
    versions, missing = {}, {}
    for peer in peers:
        try:
            versions[peer.name] = peer.fetch()
        except Unavailable as reason:
            missing[peer.name] = str(reason).replace(str(PROJECT), ".")
    return versions, missing

"""The command-line clients, each with its own way to say the same.

tftp-hpa exits with 0 whatever happens, so only the files count.
"""

import subprocess
from pathlib import Path

from attrs import frozen
from lacking import need

SECONDS = 60
"""For one transfer; all of them take much less."""


@frozen
class Server:
    """Where to."""

    host: str
    port: int

    def url(self, name: str) -> str:
        """As curl wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tftp://{host}:{self.port}/{name}"


@frozen
class Client:
    """One client; ``options`` are those of its own command line."""

    program = ""
    package = ""
    """The Debian package that has it."""
    converts_netascii = True
    """It translates line ends; else it hands over and takes what is on the wire."""

    options: tuple[str, ...] = ()

    def get(self, server: Server, remote: str, local: Path, *, netascii: bool = False) -> int:
        """Read ``remote`` into the file ``local``; the exit status."""
        return self._run(self.get_arguments(server, remote, local, netascii))

    def put(self, server: Server, local: Path, remote: str, *, netascii: bool = False) -> int:
        """Write the file ``local`` to ``remote``; the exit status."""
        return self._run(self.put_arguments(server, local, remote, netascii))

    def get_arguments(self, server: Server, remote: str, local: Path, netascii: bool) -> list[str]:
        """The command line, without the program."""
        raise NotImplementedError

    def put_arguments(self, server: Server, local: Path, remote: str, netascii: bool) -> list[str]:
        """The command line, without the program."""
        raise NotImplementedError

    def _run(self, arguments: list[str]) -> int:
        command = [need(self.program, self.package), *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS).returncode

    def __str__(self) -> str:
        return " ".join((self.program, *self.options))


class Curl(Client):
    """curl; always asks for tsize, blksize and timeout unless told not to."""

    program = "curl"
    package = "curl"
    converts_netascii = False

    def get_arguments(self, server: Server, remote: str, local: Path, netascii: bool) -> list[str]:
        url = server.url(remote) + (";mode=netascii" if netascii else "")
        return ["--silent", "--globoff", "--path-as-is", *self.options, "--output", str(local), url]

    def put_arguments(self, server: Server, local: Path, remote: str, netascii: bool) -> list[str]:
        url = server.url(remote) + (";mode=netascii" if netascii else "")
        return ["--silent", "--globoff", "--path-as-is", *self.options, "--upload-file", str(local), url]


class Hpa(Client):
    """tftp-hpa; no options at all."""

    program = "tftp"
    package = "tftp-hpa"

    def get_arguments(self, server: Server, remote: str, local: Path, netascii: bool) -> list[str]:
        return self._arguments(server, netascii, "get", remote, str(local))

    def put_arguments(self, server: Server, local: Path, remote: str, netascii: bool) -> list[str]:
        return self._arguments(server, netascii, "put", str(local), remote)

    def _arguments(self, server: Server, netascii: bool, *command: str) -> list[str]:
        mode = "netascii" if netascii else "binary"
        return ["-m", mode, *self.options, server.host, str(server.port), "-c", *command]


class Atftp(Client):
    """atftp; the one with windowsize."""

    program = "atftp"
    package = "atftp"

    @classmethod
    def asking(cls, **options: int) -> "Atftp":
        """With these TFTP options."""
        return cls(tuple(word for pair in options.items() for word in ("--option", "{} {}".format(*pair))))

    def get_arguments(self, server: Server, remote: str, local: Path, netascii: bool) -> list[str]:
        return [*self._mode(netascii), "--get", "-r", remote, "-l", str(local), server.host, str(server.port)]

    def put_arguments(self, server: Server, local: Path, remote: str, netascii: bool) -> list[str]:
        return [*self._mode(netascii), "--put", "-r", remote, "-l", str(local), server.host, str(server.port)]

    def _mode(self, netascii: bool) -> list[str]:
        return [*self.options, *(["--option", "mode netascii"] if netascii else [])]


class Busybox(Client):
    """busybox tftp; octet only."""

    program = "busybox"
    package = "busybox"

    def get_arguments(self, server: Server, remote: str, local: Path, netascii: bool) -> list[str]:
        return self._arguments(server, "-g", remote, local)

    def put_arguments(self, server: Server, local: Path, remote: str, netascii: bool) -> list[str]:
        return self._arguments(server, "-p", remote, local)

    def _arguments(self, server: Server, direction: str, remote: str, local: Path) -> list[str]:
        return ["tftp", direction, "-r", remote, "-l", str(local), *self.options, server.host, str(server.port)]

"""The package as others get it: what is in it, and an environment that it is installed into and removed from."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from running import ANY_PORT, fetch, running

PROJECT = Path(__file__).parents[2]
CONSTRAINTS = PROJECT / "constraints.txt"

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]


def run(*command: object, cwd: Path) -> str:
    """A command that must succeed; its output."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PROJECT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    """The wheel."""
    (found,) = distributions.glob("*.whl")
    return found


def test_the_wheel_has_what_it_needs(wheel: Path) -> None:
    """The plugin and the marker for type checkers are in it; no tests, and nobody's plugin cache."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"tftpd_tw/py.typed", "tftpd_tw/tap.py", "twisted/plugins/tftpd_plugin.py"} <= set(names)
    assert [name for name in names if name.startswith("twisted/")] == ["twisted/plugins/tftpd_plugin.py"]
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tftpd_tw", "twisted"}
    assert not [name for name in names if name.endswith(("dropin.cache", ".pyc"))]
    modules = {str(path.relative_to(PROJECT)) for path in (PROJECT / "tftpd_tw").rglob("*.py")}
    assert {name for name in names if name.startswith("tftpd_tw/") and name.endswith(".py")} == modules


def test_the_sdist_has_what_it_needs(distributions: Path) -> None:
    """Whoever packages it can build and test it."""
    (found,) = distributions.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "tftpd.tac",
        "constraints.txt",
        "tests/packaging/test_wheel.py",
    }
    assert wanted <= names
    assert not [name for name in names if name.endswith(("dropin.cache", ".pyc")) or name.startswith(".venv")]


def test_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed, it runs from any folder as a plugin of twistd and as tftpd-tw; uninstalled, nothing is left."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    binaries = home / "bin"
    pip = (binaries / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--constraint", CONSTRAINTS, wheel, cwd=tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    clean = {"PYTHONPATH": "", "PATH": os.defpath}
    arguments = ["--root", str(root), *ANY_PORT]
    for command in (["twistd", "-n", "--pidfile=", "tftpd"], ["tftpd-tw", "serve"]):
        command = [str(binaries / command[0]), *command[1:], *arguments]
        with running(command, Path("/"), clean) as daemon:
            assert fetch("127.0.0.1", daemon.port, b"file") == b"content"

    run(*pip, "uninstall", "--yes", "tftpd-tw", cwd=tmp_path)
    left = [path for path in home.rglob("*") if "tftpd" in path.name]
    assert left == []
    (packages,) = (home / "lib").glob("python*/site-packages")
    assert (packages / "twisted" / "plugins" / "__init__.py").exists()
    result = subprocess.run(
        [binaries / "twistd", "tftpd"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    assert "Unknown command: tftpd" in result.stdout + result.stderr

"""``tftpd-tw explain``: what is said of what a client asked for, and the exit status."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from answering import Pages, answering, page
from telling import NOW, active, ended, refused, told

from tftpd_tw import cli
from tftpd_tw.cli import explain as command
from tftpd_tw.cli import inquiry
from tftpd_tw.cli.client_case import Case, suggestions
from tftpd_tw.cli.explanations import quoted
from tftpd_tw.cli.remarks import remarks
from tftpd_tw.cli.told import Told
from tftpd_tw.telemetry.reasons import MEANINGS

CLIENT = "192.0.2.7"

Explain = Callable[..., tuple[int, str]]


@pytest.fixture
def explain(utc: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Explain:
    """Asks a daemon that answers so; the exit status, and what is printed, in words that follow each other."""
    monkeypatch.setattr(command, "time", SimpleNamespace(time=lambda: NOW))

    def ask(pages: Pages, *arguments: str) -> tuple[int, str]:
        with answering(pages) as address:
            number = cli.main(["explain", *(arguments or [CLIENT]), "--http", address])
        printed = capsys.readouterr()
        assert printed.err == ""
        assert printed.out.replace("\n", "").isprintable()
        return number, " ".join(printed.out.replace(address, "ADDRESS").split())

    return ask


def transfers(*ended: Any, active: Any = ()) -> dict[str, tuple[int, str]]:
    """A daemon that remembers these; the last that ended comes first."""
    return {"/api/transfers": told(*ended, active=active)}


def misses(**suggestions: list[str]) -> tuple[int, str]:
    """What ``/api/misses`` answers."""
    found = [{"direction": "read", "name": name, "suggestions": names} for name, names in suggestions.items()]
    return 200, json.dumps({"schema": 1, "misses": found})


def status(**settings: Any) -> tuple[int, str]:
    """What ``/api/status`` answers of a daemon with these settings."""
    return 200, json.dumps({"schema": 1, "settings": yaml.safe_dump(settings)})


def test_what_was_served(explain: Explain) -> None:
    """How much and how fast, and what was granted. Status 0."""
    number, text = explain(transfers(ended(name="x", profile="old-rom"), ended(), ended()))
    assert number == 0
    assert text == (
        "192.0.2.7 (52:54:00:12:34:56, by eth0): 3 requests for 2 names."
        " The last one, for x, was served (10 s ago)."
        " served read x, 14:13:10 (10 s ago) 8.00 MB in 2.00 s, 4.00 MB/s."
        " It was treated by the profile old-rom (clients.profiles)."
        " It asked for blksize 1468, and was granted that."
        " served read boot/vmlinuz, 2 times, 14:13:10 (10 s ago) 8.00 MB in 2.00 s, 4.00 MB/s."
        " It asked for blksize 1468, and was granted that."
    )


def test_what_was_not(explain: Explain) -> None:
    """What that means, what may be meant, what to do. Status 1."""
    pages = {**transfers(refused("vmlinux", more=2)), "/api/misses": misses(vmlinux=["boot/vmlinuz"], other=["x"])}
    number, text = explain(pages)
    assert number == 1
    assert text == (
        "192.0.2.7 (52:54:00:12:34:56, by eth0): 3 requests. The last one, for vmlinux, was NOT served (10 s ago)."
        " NOT SERVED read vmlinux, 3 times, 14:13:10 (10 s ago)"
        " refused: not-found. There is no file of that name. Did you mean boot/vmlinuz?"
        " Boot loaders try many names and expect most of them to be missing. If the file should be there, see the"
        " command below: it says where it is looked for. Upper and lower case differ unless filesystem.ignore_case"
        " is set. > tftpd-tw explain 192.0.2.7 vmlinux --http ADDRESS"
    )


def test_what_has_no_record_yet(explain: Explain) -> None:
    """Within a minute the same refusal has one record; how often it was and when the last was is counted."""
    counted = {"direction": "read", "name": "vmlinux", "reason": "not-found", "count": 7}
    late = {**counted, "last": "2026-09-21T14:13:18.000Z"}
    pages = {
        **transfers(ended(name="x"), refused("vmlinux"), refused("vmlinux", more=2)),
        "/api/misses": (200, json.dumps({"schema": 1, "misses": [late]})),
    }
    number, text = explain(pages)
    assert number == 1
    assert "8 requests for 2 names. The last one, for vmlinux, was NOT served (2 s ago)." in text
    assert "NOT SERVED read vmlinux, 7 times, 14:13:18 (2 s ago)" in text


@pytest.mark.parametrize(
    "value",
    [{"misses": 7}, {"misses": [7, {"name": "x"}]}, {"misses": [{**refused("x"), "count": [1], "last": 3}]}],
)
def test_counts_that_are_not_as_they_should_be(value: Any, explain: Explain) -> None:
    """Then the records count."""
    number, text = explain({**transfers(refused("x", more=1)), "/api/misses": (200, json.dumps(value))})
    assert number == 1
    assert "NOT SERVED read x, 2 times, 14:13:10 (10 s ago)" in text


@pytest.mark.parametrize(
    ("requests", "number"),
    [
        ({"active": [active()]}, 0),
        ({"active": [active(verified=False)]}, 1),
        ({"ended": [ended(outcome="size-probe", reason="size-probe", bytes=0)]}, 0),
        ({"ended": [ended(reason="last-ack-missing"), refused("x")]}, 0),
        ({"ended": [refused("x"), ended()]}, 1),
        ({"ended": [ended(outcome="unanswered", reason="no-answer", bytes=0)]}, 1),
        ({"ended": [refused("x", "unverified", outcome="ignored")]}, 1),
        ({"ended": [ended(outcome="new", reason="new")]}, 1),
        ({"ended": [refused("x")], "active": [active()]}, 0),
    ],
)
def test_the_last_request_decides(requests: Any, number: int, explain: Explain) -> None:
    """The exit status is about that one; what is in progress came last."""
    assert explain(transfers(*requests.get("ended", ()), active=requests.get("active", ())))[0] == number


@pytest.mark.parametrize("meaning", MEANINGS, ids=lambda meaning: meaning.reason + meaning.direction)
def test_every_reason(meaning: Any, explain: Explain) -> None:
    """It is told with its meaning and advice; what the table calls IP and NAME is never shown as that."""
    direction = meaning.direction or "read"
    request = refused("x", meaning.reason, outcome="failed", detail="and this", direction=direction)
    number, text = explain(transfers(request))
    assert number == 1
    assert f"failed: {meaning.reason}. {meaning.meaning}" in text
    assert "(and this)" in text
    assert meaning.advice.partition("`tftpd-tw map")[0] in text
    assert "NAME" not in text
    assert "MAP" not in text
    assert "CLIENT" not in text


@pytest.mark.parametrize(
    "meaning", [each for each in MEANINGS if each.direction], ids=lambda meaning: meaning.reason
)
def test_uploads(meaning: Any, explain: Explain) -> None:
    """They are told what holds of them, and why; no other name is meant, and they search for none."""
    request = refused("no/such/x", meaning.reason, direction="write")
    mine = {"direction": "write", "name": "no/such/x", "suggestions": ["such/x"]}
    pages = {
        **transfers(ended(name="no/such/y"), ended(name="no/such/z", direction="write"), request),
        "/api/misses": (200, json.dumps({"schema": 1, "misses": [mine]})),
    }
    _, text = explain(pages)
    assert f"refused: {meaning.reason}. {meaning.meaning} (no/such/x: No such file or directory)" in text
    assert meaning.advice.partition("`tftpd-tw map")[0] in text
    assert "Did you mean" not in text
    assert "from the same folder" not in text


def test_a_file_that_is_looked_for_in_vain(explain: Explain) -> None:
    """The detail is told where it says more than that."""
    request = refused("x", detail="the client's mac is not known")
    assert "There is no file of that name. (the client's mac is not known)" in explain(transfers(request))[1]


def test_a_reason_that_is_not_known(explain: Explain) -> None:
    """The daemon may be newer."""
    _, text = explain(transfers(refused("x", "no-tea", detail="\033[2J")))
    assert r"refused: no-tea. This command does not know that reason: the daemon is of another version." in text
    assert r"(\x1b[2J)" in text


def test_a_client_that_never_answers(explain: Explain) -> None:
    """That is said at once, with how to see what happens on the way."""
    request = ended(outcome="unanswered", reason="no-answer", bytes=0)
    _, text = explain(transfers(request, refused("x")))
    assert "It has never answered what it was sent" in text
    assert f"> tcpdump -ni any udp and host {CLIENT} > ip route get {CLIENT} > conntrack" in text
    assert "> network.single_port: true (or --single-port)" in text
    _, text = explain({**transfers(request), "/api/status": status(network={"single_port": True})})
    assert "> tcpdump" in text
    assert "single_port: true" not in text
    _, text = explain(transfers(request, ended()))
    assert "It has never answered" not in text


def test_a_search_that_ended_well(explain: Explain) -> None:
    """Names that are tried one after the other are explained once, and are no reason to worry."""
    tried = [refused(f"pxelinux.cfg/{name}", time=f"2026-09-21T14:13:0{at}.000Z") for at, name in enumerate("ab")]
    number, text = explain(transfers(ended(name="pxelinux.cfg/default"), *reversed(tried)))
    assert number == 0
    assert text.count("There is no file of that name") == 1
    assert "NOT SERVED read pxelinux.cfg/b, 14:13:01 (19 s ago) NOT SERVED read pxelinux.cfg/a" in text
    assert "It had pxelinux.cfg/default from the same folder then" in text
    assert "If the file should be there" not in text


@pytest.mark.parametrize(
    "requests",
    [
        [refused("dir/b"), ended(name="dir/a", time="2026-09-21T14:00:00.000Z")],
        [ended(name="a"), refused("b")],
        [ended(name="dir/a"), refused("other/b")],
        [ended(name="dir/a"), refused("dir/b", "denied")],
        [refused("dir/a"), refused("dir/b")],
    ],
)
def test_no_search(requests: list[Any], explain: Explain) -> None:
    """What was served before, in another folder, or without one says nothing."""
    assert "from the same folder" not in explain(transfers(*requests))[1]


def test_earlier_failures(explain: Explain) -> None:
    """They are not forgotten when it works."""
    failed = ended(outcome="failed", reason="client-vanished")
    _, text = explain(transfers(ended(), failed, ended(), failed, refused("boot/vmlinuz")))
    assert "Before that, 3 requests for it ended otherwise: client-vanished, not-found." in text


def test_very_many_names(explain: Explain) -> None:
    """They are counted."""
    alike = [refused(f"a{number}") for number in range(20)]
    different = [refused(f"b{number}", f"new{number}") for number in range(20)]
    _, text = explain(transfers(*alike, *different))
    assert "read a11," in text
    assert "read a12," not in text
    assert "... and 8 more, of which the same holds" in text
    assert f"... and 9 more names: tftpd-tw transfers --client {CLIENT} --last 0" in text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "It asked for blksize 1468, and was granted that."),
        ({"asked": {"tsize": "0"}}, "It asked for no larger blocks, so it is sent 512 bytes at a time."),
        (
            {"asked": {"blksize": "8192", "windowsize": "16"}, "agreed": {"blksize": 1428}},
            "It asked for blksize 8192, windowsize 16, and was granted blksize 1428.",
        ),
        ({"agreed": {}}, "It asked for blksize 1468, and was granted none of that."),
        ({"agreed": None}, None),
        ({"retransmits": 54}, None),
        ({"retransmits": 55}, "55 packets were sent again, of 5450 blocks: they get lost on the way."),
        ({"retransmits": 5, "blocks": 10}, None),
        ({"rate": 1_000_000, "seconds": 2.0}, None),
        (
            {"rate": 15_000, "seconds": 533.0, "round_trip_ms": 80.0},
            "It was slow, 15.0 kB/s, since each window of 1 x 1468 bytes waits for a round trip of 80.0 ms:"
            " no more than 18.4 kB/s come through.",
        ),
        (
            {"rate": 15_000, "seconds": 533.0, "agreed": {"blksize": "x", "windowsize": "9" * 99}},
            "It was slow, 15.0 kB/s, and not for want of answers",
        ),
        ({"rate": 15_000, "seconds": 533.0, "round_trip_ms": None}, "and not for want of answers"),
    ],
)
def test_remarks(fields: Any, says: str | None) -> None:
    """What was granted, what was lost, what it waited for; where there is nothing of that, nothing."""
    found = " ".join(remarks(Told.of(ended(**fields))))
    if says is None:
        assert found in ("", "It asked for blksize 1468, and was granted that.")
    else:
        assert says in found


def test_a_client_that_is_not_known(explain: Explain) -> None:
    """What the daemon remembers at all, and how to see whether requests arrive. Status 4."""
    other = ended(client="192.0.2.8", time="2026-09-21T12:13:20.000Z")
    figures = page().replace("tftp_server_uptime_seconds 0.0", "tftp_server_uptime_seconds 7500.0") + (
        '# TYPE tftp_datagrams_dropped_total counter\ntftp_datagrams_dropped_total{reason="broadcast"} 3\n'
    )
    pages = {
        **transfers(other),
        "/metrics": (200, figures),
        "/api/status": status(network={"listeners": [{"port": 70}, {"address": "127.0.0.1"}]}),
    }
    number, text = explain(pages)
    assert number == 4
    assert (
        "The daemon at ADDRESS knows nothing of 192.0.2.7. It was started 2 h 5 min ago. Of all requests it"
        " remembers the last 1 (monitoring.recent_transfers), back to 12:13:20 (2 h 0 min ago)."
    ) in text
    assert f"> tcpdump -ni any 'udp and (port 69 or port 70) and host {CLIENT}'" in text
    assert "> ss -ulnp 'sport = :69 or sport = :70'" in text
    assert "next-server" in text
    assert "3 x broadcast: A request was sent to everybody" in text


def test_a_daemon_that_remembers_nothing(explain: Explain) -> None:
    """That is said too."""
    number, text = explain(transfers())
    assert number == 4
    assert "It remembers no request of anybody." in text
    assert f"> tcpdump -ni any 'udp and port 69 and host {CLIENT}'" in text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file."""
    root = tmp_path / "root"
    (root / "boot").mkdir(parents=True)
    (root / "boot" / "vmlinuz").write_bytes(b"12345")
    return root


def test_a_name(root: Path, explain: Explain) -> None:
    """Only that one, and where it leads by the daemon's settings, with the name and address that it had then."""
    settings = status(filesystem={"root": str(root), "fallback_roots": [f"{root}/{{mac}}"], "ignore_case": True})
    mac = root / "52-54-00-12-34-56"
    mac.mkdir()
    (mac / "own").touch()
    pages = {**transfers(refused("BOOT/VMLINUZ"), ended()), "/api/status": settings}
    number, text = explain(pages, CLIENT, "BOOT/VMLINUZ")
    assert number == 1
    assert "one request, for BOOT/VMLINUZ, was NOT served" in text
    assert "served read boot/vmlinuz" not in text
    assert "see what follows: it says where" in text
    assert text.endswith(f"result {root}/boot/vmlinuz, 5 bytes")
    number, text = explain({**transfers(refused("own")), "/api/status": settings}, CLIENT, "own")
    assert text.endswith(f"result {mac}/own, 0 bytes")


def test_an_upload(root: Path, explain: Explain) -> None:
    """It is not tried, since the settings come from whoever answers; the command that does is named."""
    pages = {
        **transfers(refused("new", "denied", direction="write")),
        "/api/status": status(filesystem={"root": str(root)}),
    }
    _, text = explain(pages, CLIENT, "new")
    assert text.endswith(f"of an upload, ask: tftpd-tw map new --client {CLIENT} --write")


def test_a_name_that_was_not_asked_for(root: Path, explain: Explain) -> None:
    """Which ones were, and where it leads all the same. Status 4."""
    pages = {
        **transfers(refused("a"), ended()),
        "/metrics": (200, page()),
        "/api/status": status(filesystem={"root": str(root)}),
    }
    number, text = explain(pages, CLIENT, "boot/vmlinux")
    assert number == 4
    assert "has not asked for that name. It has asked for, the last one first: a boot/vmlinuz" in text
    assert f"Where that name leads now: folder {root}: boot/vmlinux: No such file" in text


@pytest.mark.parametrize("name", [r"\Boot\BCD", r"\\Boot\\BCD"])
def test_a_name_as_it_is_and_as_it_is_shown(name: str, explain: Explain) -> None:
    """Both are found."""
    assert explain(transfers(refused(r"\\Boot\\BCD")), CLIENT, name)[0] == 1


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({}, "cannot be said: its settings are not known; ask there: tftpd-tw map NAME --client IP"),
        ({"/api/status": status(new={"a": 1})}, "cannot be said: its settings are not known"),
        (
            {"/api/status": status(filesystem={"root": "/no/such"})},
            "cannot be said: cannot serve the folder /no/such",
        ),
    ],
)
def test_a_name_that_cannot_be_looked_up(pages: Any, says: str, explain: Explain) -> None:
    """The rest is said all the same."""
    number, text = explain({**transfers(refused("x")), **pages}, CLIENT, "x")
    assert number == 1
    assert "There is no file of that name" in text
    assert says in text


def test_a_settings_file(
    tmp_path: Path,
    root: Path,
    explain: Explain,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is used for a daemon that does not tell its settings; and the next command has it."""
    file = tmp_path / "tftpd.yaml"
    pages = transfers(refused("it's"), refused("new", "denied", direction="write"))
    with answering(pages) as address:
        file.write_text(f"filesystem: {{root: {root}}}\nmonitoring: {{http: '{address}'}}\n")
        assert cli.main(["explain", CLIENT, "--config", str(file)]) == 1
        text = capsys.readouterr().out
        assert f"> tftpd-tw map 'it'\"'\"'s' --client {CLIENT} --config {file}\n" in text
        assert f"> tftpd-tw map new --client {CLIENT} --write --config {file}\n" in text
        assert cli.main(["explain", CLIENT, "it's", "--config", str(file)]) == 1
        assert "result    ERROR 1 (File not found)" in capsys.readouterr().out
        monkeypatch.setattr(inquiry, "DEFAULT_FILE", str(file))
        cli.main(["explain", CLIENT, "--config", str(file)])
        assert f"> tftpd-tw map new --client {CLIENT} --write\n" in capsys.readouterr().out
        file.write_text(f"filesystem: {{rot: x}}\nmonitoring: {{http: '{address}'}}\n")
        cli.main(["explain", CLIENT, "it's", "--config", str(file)])
        assert f"{file}:1: filesystem.rot: unknown key" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("boot/vmlinuz", b"boot/vmlinuz"),
        ("a b$(c)`d`;e", b"a b$(c)`d`;e"),
        (r"it\'s", b"it's"),
        (r"\\Boot\\BCD", b"\\Boot\\BCD"),
        (r"a\x0a\"b\"\xe9", b'a\n"b"\xe9'),
    ],
)
def test_names_for_a_shell(name: str, raw: bytes) -> None:
    """A command can be copied, whatever a stranger has asked for."""
    shown = subprocess.run(["bash", "-c", f"printf %s {quoted(name)}"], capture_output=True, check=True).stdout
    assert shown == raw
    assert shlex.split(quoted("a b")) == ["a b"]


def test_json(root: Path, utc: None, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it, for programs."""
    pages = {
        **transfers(refused("x"), ended()),
        "/api/misses": misses(x=["boot/x"]),
        "/api/status": status(filesystem={"root": str(root)}),
    }
    with answering(pages) as address:
        assert cli.main(["explain", CLIENT, "--json", "--http", address]) == 1
        line = capsys.readouterr().out
        assert cli.main(["explain", CLIENT, "x", "--json", "--http", address]) == 1
        named = json.loads(capsys.readouterr().out)
        assert cli.main(["explain", CLIENT, "y", "--json", "--http", address]) == 4
        unknown = json.loads(capsys.readouterr().out)
    assert line.count("\n") == 1
    document = json.loads(line)
    assert {key: document[key] for key in ("schema", "client", "mac", "interface", "name", "served")} == {
        "schema": 1,
        "client": CLIENT,
        "mac": "52:54:00:12:34:56",
        "interface": "eth0",
        "name": None,
        "served": False,
    }
    missing, served = document["names"]
    assert (missing["name"], missing["count"], missing["served"], missing["suggestions"]) == (
        "x",
        1,
        False,
        ["boot/x"],
    )
    assert (missing["last"]["reason"], served["last"]["bytes"], served["advice"]) == ("not-found", 8_000_000, "")
    assert missing["commands"] == [f"tftpd-tw explain {CLIENT} x --http {address}"]
    assert (document["remembered"], document["looked_up"]) == (None, None)
    assert (unknown["served"], unknown["names"], unknown["other_names"]) == (None, [], ["x", "boot/vmlinuz"])
    assert unknown["remembered"] == {"up_seconds": None, "count": 2, "since": 1789999990.0, "dropped": {}}
    assert named["looked_up"]["served"] is False
    assert named["looked_up"]["lines"][-1].startswith("result    ERROR 1")


@pytest.mark.parametrize("pages", [{}, {"/api/transfers": told(schema=2)}])
def test_no_daemon(pages: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3 and one line."""
    with answering(pages) as address:
        assert cli.main(["explain", CLIENT, "--http", address]) == 3
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("tftpd-tw explain: ")


def test_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["explain", "somebody"])
    assert caught.value.code == 2
    assert "CLIENT-IP: expected an IPv4 or IPv6 address, got 'somebody'" in capsys.readouterr().err


def test_the_help_has_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes a script looks there."""
    with pytest.raises(SystemExit):
        cli.main(["explain", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "0 if the last request was served",
        "1 if it was not",
        "3 if there is no",
        "4 if it knows",
        "2 if",
    ):
        assert part in text


@pytest.mark.parametrize("value", [{}, {"misses": 7}, {"misses": [7, None, {"name": "x", "suggestions": "y"}]}])
def test_suggestions_that_are_not_as_they_should_be(value: Any) -> None:
    """They are none."""
    assert suggestions(value) == {}


def test_a_daemon_that_says_strange_things(explain: Explain) -> None:
    """What is about others, or about nobody, is left out."""
    assert Case.of(CLIENT, {"ended": [{}, 7, ended(client="192.0.2.9")], "active": "x"}, {}).requests == ()
    number, text = explain(transfers({}, ended(name="\033[2J", outcome=7, reason=[1]), 7))
    assert number == 1
    assert r"\x1b[2J" in text

"""Settings of which none is at its default, for tests that each of them gets somewhere."""

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.policy.access import Action
from tftpd_tw.policy.rewrite_rules import Occurrences, Then
from tftpd_tw.service import value_types as types
from tftpd_tw.service.configuration import (
    Cache,
    Clients,
    Configuration,
    Filesystem,
    Logging,
    Monitoring,
    Network,
    NetworkListener,
    Performance,
    Security,
)
from tftpd_tw.service.rule_settings import Abort, AccessRule, ClientProfile, Rewrite, TransferHook

NETWORK = types.ClientNetwork("192.0.2.0/24")

OTHERWISE = Configuration(
    network=Network(
        addresses=(types.Host("127.0.0.1"), types.Host("::1")),
        port=types.Port(6969),
        answer_broadcast=True,
        interfaces=(types.Interface("eth0"), types.Interface("eth1")),
        single_port=True,
        port_range=types.PortRange(50000, 50100),
        listeners=(
            NetworkListener(types.Host("fe80::1%eth0"), types.Port(70), types.Interface("eth0"), False),
            NetworkListener(types.Host("192.0.2.1")),
        ),
    ),
    filesystem=Filesystem(
        root=types.Folder("/srv/tftp: a #folder"),
        fallback_roots=(types.TreePath("/srv/{ip}"), types.TreePath("/srv/common")),
        upload_root=types.TreePath("/srv/incoming/{mac}"),
        ignore_case=True,
        world_readable_only=True,
        rewrite=(
            Rewrite(
                match=types.Text("^a: (.*)$"),
                unless=types.Text("#"),
                ignore_case=True,
                only=Direction.READ,
                clients=(NETWORK,),
                if_missing=True,
                replace=types.Text(r"\U\1{ip}"),
                occurrences=Occurrences.ALL,
                then=Then.STOP,
                label=types.Text("first"),
            ),
            Rewrite(jump=types.Text("first"), match=types.Text("^z"), replace=types.Text("")),
            Rewrite(abort=Abort(types.ErrorNumber(1), types.Text("none"))),
        ),
        uploads=UploadPolicy.VERSIONS,
        versions=types.Versions(3),
        max_file_size=types.FileSize(1 << 20),
        quota=types.FileSize(1000),
        quota_per_client=types.FileSize(100),
        reserve=types.FileSize(1 << 30),
        upload_mode=types.FileMode(0o644),
        upload_owner=types.Owner("tftp"),
        upload_group=types.Owner("0"),
        fsync=False,
    ),
    security=Security(
        read_enabled=False,
        write_enabled=False,
        allowed_clients=(NETWORK,),
        denied_clients=(types.ClientNetwork("::1"),),
        allowed_extensions=(types.Extension("bin"), types.Extension("")),
        denied_patterns=(types.NameGlob("*.key"),),
        rules=(
            AccessRule(
                name=types.Word("a"),
                action=Action.SILENT,
                clients=(NETWORK,),
                other_clients_than=(NETWORK,),
                paths=(types.NameGlob("[*]"),),
                other_paths_than=(types.NameGlob("a/"),),
                only=Direction.WRITE,
            ),
        ),
        connections_per_client=types.Connections(3),
        unverified_share=types.Share(0.5),
        answers=types.Answers(10),
        answers_per_second=types.AnswerRate(0.5),
        answers_ipv6_prefix=types.Prefix(128),
        rate_limit=types.Rate(1000),
        rate_limit_per_client=types.Rate(2000),
        rate_limit_total=types.Rate(1 << 30),
        slowest_rate=types.Rate(10),
        longest_transfer=types.Duration(3600.0),
    ),
    performance=Performance(
        block_size=types.BlockSize(8192),
        window_size=types.WindowSize(1),
        timeout=types.Seconds(0.25),
        max_retries=types.Count(0),
        workers=types.AUTO,
        engine=types.Engine("reactor"),
        read_ahead=types.Size(4096),
        cpu_affinity=True,
        mtu_slack=types.Slack(28),
        buffer_size=types.BufferSize(65536),
        thread_pool_size=types.Threads(2),
        async_io=False,
        max_connections=types.Connections(10),
        drain_timeout=types.DrainTime(0.0),
    ),
    cache=Cache(False, types.CacheSize(4 << 30), types.Lifetime(3600.0)),
    logging=Logging(types.LogFormat.JSON, types.LeastLevel.WARN),
    monitoring=Monitoring(
        types.HttpAddress("::1", 80),
        types.File("/etc/tftpd/secret"),
        types.Recent(7),
        (
            TransferHook(
                (types.Argument("/bin/hook"), types.Argument("5")),
                outcomes=(Outcome.SIZE_PROBE,),
                only=Direction.READ,
                timeout=types.Seconds(0.5),
                at_once=types.Runs(1),
            ),
            TransferHook(url=types.WebAddress("http://192.0.2.1/?a=b")),
        ),
    ),
    clients=Clients(
        profiles=(
            ClientProfile(
                name=types.Word("rom"),
                clients=(NETWORK,),
                asked=(NETWORK,),
                paths=(types.NameGlob("*.0"),),
                root=types.TreePath("/srv/rom"),
                block_size=types.BlockSize(512),
                window_size=types.WindowSize(1),
                timeout=types.Seconds(1.0),
                refused_options=(types.OptionName("tsize"),),
                single_port=True,
            ),
        )
    ),
)
"""Nothing at its default."""

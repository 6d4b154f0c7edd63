"""What the reasons of records mean, and what to do about them: for the page and the commands.

A reason is a word, or a word and what it is about after a colon (``denied-by-rule:lab``, ``client-error:3``). The
table has the words, and some of the pairs of which more is known than of their word.
"""

from attrs import frozen

from tftpd_tw.interfaces import Direction


@frozen
class Meaning:
    """One reason, in words."""

    reason: str
    """As it is in records, or the part of it before the colon."""
    meaning: str
    """What happened, in sentences."""
    advice: str
    """What an operator may do, in sentences."""
    direction: str = ""
    """Of the transfers that it is said of, where those of the other one have another meaning; empty: of both."""


_NOTHING = "Nothing to do."

MEANINGS: tuple[Meaning, ...] = (
    # It went well
    Meaning("completed", "The whole file has arrived.", _NOTHING),
    Meaning(
        "last-ack-missing",
        "All was sent; only the client's last acknowledgement did not come. Some clients never send it.",
        "Nothing to do, unless the client asks for the same file again: then the end of it is lost on the way.",
    ),
    Meaning(
        "size-probe",
        "The client asked how large the file is, was told, and left. UEFI firmware does so before each download.",
        "Nothing to do; it asks again to have the file.",
    ),
    # The client, or the way to it
    Meaning(
        "no-answer",
        "The client never said a word after its request: the answer does not reach it, or the request had a forged"
        " address.",
        "If a client fails to boot with this, something on the way lets port 69 through, but not the ports that"
        " transfers get. Let the firewall pass those of network.port_range, or keep transfers on the port that is"
        " asked with network.single_port.",
    ),
    Meaning(
        "client-vanished",
        "The client fell silent during the transfer, or its host says that nobody listens there any more.",
        "If it was switched off or restarted, nothing to do. If it happens with few or no bytes each time, large"
        " packets get lost on the way: lower performance.block_size, or set performance.mtu_slack.",
    ),
    Meaning(
        "superseded",
        "The client began another transfer from the same port before this one was done.",
        "Nothing to do, unless it goes on like that: then the client loses patience before the answer comes, and"
        " disk and network are worth a look.",
    ),
    Meaning(
        "gave-way",
        "The client had not answered yet, and its place was needed for another (security.unverified_share).",
        "Many of these at once are a flood of forged requests, or a firewall that stops all answers. If the"
        " clients are real, raise performance.max_connections.",
    ),
    Meaning(
        "client-error",
        "The client ended the transfer by an ERROR; the number is its code, the detail its text.",
        "The text, or the client's own screen, says why.",
    ),
    Meaning(
        "client-error:0",
        "The client ended the transfer by an ERROR of its own choosing; the detail is its text.",
        "Nothing to do if it then goes on: firmware leaves so when it was interrupted, or knows enough.",
    ),
    Meaning(
        "client-error:2",
        "The client may not write the file where it wants to have it.",
        "Look at the permissions at the client.",
    ),
    Meaning(
        "client-error:3",
        "The client has no room for the file.",
        "Boot loaders have a fixed amount of memory or flash for it: serve a smaller file.",
    ),
    Meaning(
        "client-error:4",
        "The client did not understand what it was sent.",
        "Refuse it options, windowsize first, by a profile of its own (refused_options in clients.profiles).",
    ),
    Meaning(
        "client-error:5",
        "The client did not expect packets from the port that they came from: it has begun anew, or two servers"
        " answer it, or a NAT is in between.",
        "Look for another TFTP server in that network. Through a NAT, use network.single_port.",
    ),
    Meaning(
        "client-error:8",
        "The client asked for options and does not like what it was granted.",
        "Refuse it these options by a profile of its own (refused_options in clients.profiles).",
    ),
    Meaning(
        "illegal-operation",
        "The other end broke the protocol, as with a block that is larger than was agreed.",
        "Refuse the client blksize by a profile of its own (refused_options in clients.profiles).",
    ),
    Meaning(
        "option-refused",
        "The server granted an option that was not asked for, or more of one than was asked for.",
        "The server is at fault; ask it without that option.",
    ),
    Meaning(
        "unknown-tid",
        "A packet came from an address or port that has no part in the transfer.",
        "Nothing to do, unless it is frequent: then two servers answer the same client.",
    ),
    # The file
    Meaning(
        "not-found",
        "There is no file of that name.",
        "Boot loaders try many names and expect most of them to be missing. If the file should be there, see"
        " `tftpd-tw map NAME --client IP`: it says where it is looked for. Upper and lower case differ unless"
        " filesystem.ignore_case is set.",
    ),
    Meaning(
        "denied",
        "The client may not have this file; the detail says why.",
        "Let the daemon's user read the file and enter each folder above it. Names with `..`, folders, devices,"
        " and links that lead out of the folder are always refused.",
    ),
    Meaning(
        "file-exists",
        "A file of that name is there already, and uploads may only make new ones.",
        "Take the old file away, or set filesystem.uploads to `overwrite` or `versions`.",
    ),
    Meaning(
        "disk-full",
        "There is no room for the upload: the disk is full, or a limit is reached; the detail says which.",
        "Make room, or change filesystem.max_file_size, filesystem.quota, filesystem.quota_per_client or"
        " filesystem.reserve.",
    ),
    Meaning(
        "source-truncated",
        "The file became shorter while it was being sent.",
        "Do not write into files that are served: write another one and rename it into place.",
    ),
    # The rules
    Meaning(
        "denied-by-rule",
        "The rule of security.rules that has this name refuses it.",
        "If that is not what you meant, `tftpd-tw map NAME --client IP` says which rule decides.",
    ),
    Meaning(
        "denied-by-rule:denied_clients",
        "The client's address is in a network that gets no answer.",
        "If it should be served, see security.denied_clients.",
    ),
    Meaning(
        "denied-by-rule:allowed_clients",
        "The client's address is in none of the networks that are served.",
        "If it should be served, add its network to security.allowed_clients.",
    ),
    Meaning(
        "denied-by-rule:read_enabled",
        "No reads are served.",
        "If they should be, see security.read_enabled.",
    ),
    Meaning(
        "denied-by-rule:write_enabled",
        "No uploads are taken.",
        "If they should be, see security.write_enabled and filesystem.uploads.",
    ),
    Meaning(
        "denied-by-rule:denied_patterns",
        "The name matches a pattern of names that are refused.",
        "If it should be served, see security.denied_patterns.",
    ),
    Meaning(
        "denied-by-rule:allowed_extensions",
        "The name has none of the extensions that are served.",
        "If it should be served, add its extension to security.allowed_extensions.",
    ),
    Meaning(
        "refused-by-rule",
        "A rule that rewrites names refuses this one; the detail says which.",
        "If that is not what you meant, see filesystem.rewrite; `tftpd-tw map NAME --client IP` shows each step.",
    ),
    # The limits
    Meaning(
        "max-connections",
        "As many transfers are in progress as there may be, so the request got no answer; the client asks again.",
        "If the machine can do more, raise performance.max_connections.",
    ),
    Meaning(
        "client-connections",
        "This address has as many transfers in progress as one may have, so the request got no answer.",
        "Where many clients share an address, as behind a NAT, raise security.connections_per_client.",
    ),
    Meaning(
        "unverified",
        "Too many clients have not answered yet, so the request got no answer; the client asks again.",
        "Many of these are a flood of forged requests, or a firewall that stops all answers. If the clients are"
        " real, raise performance.max_connections or security.unverified_share.",
    ),
    Meaning(
        "answer-rate",
        "Too many packets have gone to this address without a sign that they arrive, so the request got no"
        " answer.",
        "See whether the answers reach the client. If they do, raise security.answers and"
        " security.answers_per_second; for a rack in one IPv6 /64 set security.answers_ipv6_prefix to 128.",
    ),
    Meaning(
        "too-slow",
        "The transfer moved fewer bytes in a second than it must.",
        "Look at the way to this client, or lower security.slowest_rate.",
    ),
    Meaning(
        "lifetime-over",
        "The transfer was not done in the time that one may take.",
        "Look at the way to this client, or raise security.longest_transfer.",
    ),
    # The daemon and its host
    Meaning(
        "server-error",
        "Something went wrong in the daemon or its host; the detail says what.",
        "The log has more at that time, with a traceback if nobody expected it. If it is about reading or writing,"
        " look at the disk.",
    ),
    Meaning(
        "server-stopping",
        "The daemon was stopped before the transfer was done.",
        "If transfers should have more time then, raise performance.drain_timeout.",
    ),
    Meaning(
        "cancelled",
        "Whoever began the transfer did not want it any more.",
        _NOTHING,
    ),
    Meaning(
        "backend-stalled",
        "The disk or file server did not answer for as long as a transfer may be silent.",
        "Look at what the folder is on, above all if that is a network file system. If many transfers wait for it"
        " at once, raise performance.thread_pool_size.",
    ),
    Meaning(
        "port-in-use",
        "The client has a transfer in progress on the single port, and asks for another from the same port of its"
        " own; its packets could not be told apart, so the request got no answer.",
        "Nothing to do, unless the client always does so: then it cannot be served with network.single_port.",
    ),
    Meaning(
        "no-socket",
        "The system gave no socket for the transfer, so the request got no answer; the system's error is named.",
        "See what that error says of this host.",
    ),
    Meaning(
        "no-socket:EMFILE",
        "The daemon has as many files and sockets open as it may, so the request got no answer.",
        "Raise its limit (LimitNOFILE= with systemd, or ulimit -n); a transfer takes one or two.",
    ),
    Meaning(
        "no-socket:EADDRINUSE",
        "All ports for transfers are taken, so the request got no answer; the client asks again.",
        "Widen network.port_range, or use network.single_port.",
    ),
    Meaning(
        "no-socket:EADDRNOTAVAIL",
        "The address that was asked is not one of this host any more, so the request got no answer.",
        "See which addresses this host has.",
    ),
    # What is no request; it is only counted
    Meaning(
        "not-a-request",
        "Something else than a request came to the request port, such as a late packet of a transfer.",
        _NOTHING,
    ),
    Meaning(
        "malformed",
        "A request came that breaks the protocol: cut short, without a name, or in a mode that is not served.",
        "Nothing to do, unless a client does not boot: then capture what it sends.",
    ),
    Meaning(
        "broadcast",
        "A request was sent to everybody in the network, and those get no answer.",
        "For old devices that ask so, set network.answer_broadcast.",
    ),
    # What is said of uploads instead
    Meaning(
        "not-found",
        "The upload has no place: its folder does not exist, or uploads only replace files and there is none of"
        " that name.",
        "Make the folder, since uploads make none; with filesystem.uploads `existing` make the file too. For where"
        " it would go, see `tftpd-tw map NAME --client IP`.",
        Direction.WRITE,
    ),
    Meaning(
        "denied",
        "The client may not write here; the detail says why.",
        "See filesystem.uploads, and let the daemon's user write into the folder. Names with `..`, folders,"
        " devices, and links that lead out of the folder are always refused.",
        Direction.WRITE,
    ),
)
"""All reasons that the daemon gives, in records and in ``tftp_datagrams_dropped_total``."""

_FOUND = {(meaning.reason, meaning.direction): meaning for meaning in MEANINGS}


def meaning_of(reason: str, direction: str = Direction.READ) -> Meaning | None:
    """What is known of ``reason``, or else of the part of it before the colon; None if it is none of ours."""
    for words in (reason, reason.partition(":")[0]):
        if found := _FOUND.get((words, direction)) or _FOUND.get((words, "")):
            return found
    return None

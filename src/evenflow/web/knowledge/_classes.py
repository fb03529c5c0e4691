"""What is known of every class of the data sets evenflow reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Class:
    """One class in plain words; the fields are those of ``Knowledge``."""

    name: str
    phrase: str
    meaning: str
    techniques: tuple[str, ...] = ()
    steps: tuple[str, ...]
    false_alarm: str


_SCAN_STEPS = (
    "Look up the source address: is it a scanner of your own, a partner's or a "
    "research project's?",
    "List what else the source touched in the hour around it, and what answered.",
    "Check that the services that answered are meant to be reachable and are patched.",
    "Block the source at the edge if it is foreign and goes on; a scan alone needs no "
    "more than that.",
)
_SCAN_FALSE = (
    "Monitoring systems, vulnerability scanners of your own, backup and inventory "
    "tools, and clients that retry a host which is down."
)
_FLOOD_STEPS = (
    "Check whether the target still answers, and since when it does not.",
    "Compare its connections a second with the same hour of other days.",
    "List the sources: a handful can be blocked at the firewall, thousands need the "
    "provider's or a scrubbing service's help.",
    "Turn on what the target has: SYN cookies, connection limits a source, a rate "
    "limit in front of the service.",
    "Keep a packet sample for the provider and for the report.",
)
_FLOOD_FALSE = (
    "A sudden rush of real visitors, a load test, a backup window, a misconfigured "
    "client that retries without pause, or a server that is down so that every "
    "connection to it fails."
)
_EXPLOIT_STEPS = (
    "Find the service and its version on the target, and whether a known weakness of "
    "it is unpatched.",
    "Read the service's own log around this time: errors, restarts, strange requests.",
    "Look on the target for new processes, files, accounts and outgoing connections "
    "since then.",
    "If any is found, cut the host off the network and keep memory and disk as they "
    "are.",
    "Patch or shield the service before it goes back.",
)

CLASSES: dict[str, Class] = {
    "benign": Class(
        name="Normal traffic",
        phrase="normal traffic",
        meaning="The record looks like the normal traffic the model learnt from. That "
        "does not prove it harmless: an attack that looks normal in these columns, or "
        "of a kind the model never saw, is called normal too.",
        steps=(
            "Nothing needs to be done for this record.",
            "If something else makes you doubt it, look at the host's own logs: the "
            "model sees only the columns shown here.",
            "If you know it was an attack, mark the verdict as wrong, so that the next "
            "training learns from it.",
        ),
        false_alarm="None: this is no alarm. The opposite mistake, an attack called "
        "normal, happens most with rare attacks that look like ordinary sessions.",
    ),
    "attack": Class(
        name="Attack",
        phrase="an attack",
        meaning="The record looks more like the attacks the model learnt from than "
        "like normal traffic. This model does not say which kind.",
        steps=(
            "Read below which values pushed the verdict and ask whether they can be "
            "explained.",
            "Look up both hosts: what are they for, and who is responsible?",
            "List other records of the same source and target around this time.",
            "Compare with the host's own logs before anything is blocked.",
        ),
        false_alarm="Rare but legitimate traffic that the training rows lacked: a new "
        "service, a maintenance job, a changed network.",
    ),
    "dos": Class(
        name="Denial of service",
        phrase="a denial-of-service attack",
        meaning="Somebody sends so much, or something so malformed, that a machine or "
        "service can no longer answer its real users.",
        techniques=("T1498", "T1499"),
        steps=_FLOOD_STEPS,
        false_alarm=_FLOOD_FALSE,
    ),
    "ddos": Class(
        name="Distributed denial of service",
        phrase="a distributed denial-of-service attack",
        meaning="Many machines together, often hijacked ones, send so much that a "
        "service can no longer answer its real users.",
        techniques=("T1498", "T1499"),
        steps=(
            "Ask your provider for filtering now: at your own edge the line is "
            "already full.",
            *_FLOOD_STEPS[:2],
            "If a host of your own is among the sources, cut it off: it is hijacked.",
            _FLOOD_STEPS[4],
        ),
        false_alarm=_FLOOD_FALSE,
    ),
    "probe": Class(
        name="Scan or probe",
        phrase="a scan or probe",
        meaning="Somebody tries which machines and services there are, usually to "
        "find a way in later. By itself it breaks nothing.",
        techniques=("T1046", "T1595"),
        steps=_SCAN_STEPS,
        false_alarm=_SCAN_FALSE,
    ),
    "reconnaissance": Class(
        name="Reconnaissance",
        phrase="reconnaissance",
        meaning="Somebody explores which machines, services and versions there are, "
        "usually to find a way in later. By itself it breaks nothing.",
        techniques=("T1046", "T1595"),
        steps=_SCAN_STEPS,
        false_alarm=_SCAN_FALSE,
    ),
    "port_scan": Class(
        name="Port scan",
        phrase="a port scan",
        meaning="Somebody tries one port after another to learn which services a "
        "machine offers. By itself it breaks nothing.",
        techniques=("T1046", "T1595"),
        steps=_SCAN_STEPS,
        false_alarm=_SCAN_FALSE,
    ),
    "r2l": Class(
        name="Unauthorised access from outside",
        phrase="an attempt to get in from outside",
        meaning="Somebody without an account on the machine tries to get access over "
        "the network: by guessing a password, abusing a guest account or exploiting a "
        "weakness (remote to local, R2L).",
        techniques=("T1110", "T1190"),
        steps=(
            "Find the account and service in the host's log-in records around this "
            "time: did a log-in succeed?",
            "If it did, lock the account and end its sessions, then see what was read, "
            "written or started.",
            "Look for the same source on your other hosts.",
            "Switch guest and anonymous access off where nobody needs it; ask for a "
            "second factor elsewhere.",
        ),
        false_alarm="A user who forgot a password, a script with an old one, ordinary "
        "use of an anonymous FTP server, or a monitoring system that queries SNMP.",
    ),
    "u2r": Class(
        name="Escalation to administrator rights",
        phrase="an attempt to gain administrator rights",
        meaning="Somebody who can already use the machine tries to become its "
        "administrator, usually through a flaw in a program (user to root, U2R). Few "
        "such records exist, so the model knows them least.",
        techniques=("T1068",),
        steps=(
            "Treat the host as taken over until you know better: cut it off the "
            "network, and do not switch it off.",
            "Find out which account and session this was, and whether its owner was "
            "there.",
            "Check for new privileged accounts, changed system programs, scheduled "
            "jobs and keys.",
            "Change credentials that were used on that host.",
            "Rebuild it from a known good state if anything was changed.",
        ),
        false_alarm="An administrator's ordinary work over an unencrypted session: "
        "becoming root, installing software, running maintenance scripts.",
    ),
    "tunnel": Class(
        name="Tunnel",
        phrase="a hidden tunnel",
        meaning="One kind of traffic is hidden inside another, so that it passes a "
        "firewall which would stop it.",
        techniques=("T1572",),
        steps=(
            "Find the program on the inner host that holds the connection.",
            "Look up the outer address, and how long and how evenly data has flowed.",
            "Compare with what that host usually does on this protocol.",
            "If nobody can explain it, cut the host off and keep its memory and disk.",
        ),
        false_alarm="A VPN or remote support tool that uses web ports, and web pages "
        "that hold a connection open.",
    ),
    "theft": Class(
        name="Data theft",
        phrase="theft of data",
        meaning="Data leaves a machine for somebody who should not have it: files "
        "copied out, or keystrokes recorded and sent away.",
        techniques=("T1041", "T1048", "T1056"),
        steps=(
            "Find out which data the host holds and who the receiver is.",
            "Measure how much left, since when, and whether it still goes on.",
            "Cut the host off the network; keep its memory and disk as they are.",
            "Change every credential used on it.",
            "Tell whoever decides about reporting a loss of data: deadlines may run.",
        ),
        false_alarm="Backups, synchronised folders, software updates sent to "
        "customers, and large uploads by a person.",
    ),
    "analysis": Class(
        name="Intrusive analysis",
        phrase="an intrusive probe of an application",
        meaning="A mixed group of UNSW-NB15: port scans, spam and intrusions through "
        "web pages, all of which feel out an application for a way in.",
        techniques=("T1595", "T1190"),
        steps=(_EXPLOIT_STEPS[1], *_SCAN_STEPS[:3]),
        false_alarm="Web crawlers, uptime checks, mail servers that deliver in bulk, "
        "and scanners of your own.",
    ),
    "backdoor": Class(
        name="Backdoor",
        phrase="use of a backdoor",
        meaning="A hidden way into a machine, past its log-in, is set up or used to "
        "control it from afar.",
        techniques=("T1071",),
        steps=(
            "Cut the host off the network; keep its memory and disk as they are.",
            "Find the program that listens or calls out, and how it is started again.",
            "Look for the same outer address and the same program on other hosts.",
            "Find out how it came in, close that way, and rebuild the host.",
        ),
        false_alarm="Remote administration and support tools that somebody installed "
        "for good reasons.",
    ),
    "exploits": Class(
        name="Exploit",
        phrase="an attempt to exploit a weakness",
        meaning="Somebody sends what is known to trip a flaw in a program, to make it "
        "do what they want.",
        techniques=("T1190", "T1210", "T1203"),
        steps=_EXPLOIT_STEPS,
        false_alarm="Unusual but valid requests, old clients, security tests of your "
        "own, and large file transfers.",
    ),
    "fuzzers": Class(
        name="Fuzzing",
        phrase="fuzzing of a service",
        meaning="A program is fed masses of random or broken input to see where it "
        "fails; each failure may be a way in.",
        techniques=("T1595", "T1499"),
        steps=(
            "Ask whether somebody tests the service on purpose.",
            "Look in its log for crashes and errors, and note the input that caused "
            "them.",
            "Limit the source's requests, or block it if it is foreign.",
            "Report crashes to whoever maintains the service.",
        ),
        false_alarm="A broken client, a test of your own, or a protocol the sensor "
        "does not know.",
    ),
    "generic": Class(
        name="Attack on encryption",
        phrase="an attack on a cipher",
        meaning="UNSW-NB15's group of attacks that work against any block cipher "
        "whatever its inner structure. In that data set most of it looks like masses "
        "of short DNS traffic.",
        steps=(
            "See which service and port it went to, and whether it is encrypted.",
            "Count such records of the same source: one is little, thousands matter.",
            "Check that the service offers current protocols and ciphers alone.",
            "Compare with the resolver's or server's own log.",
        ),
        false_alarm="Busy DNS resolvers and other short question-and-answer traffic.",
    ),
    "shellcode": Class(
        name="Injected program code",
        phrase="program code sent to take over a machine",
        meaning="A small piece of machine code is sent inside the data, so that a "
        "flawed program runs it, often to open a remote shell.",
        techniques=("T1190", "T1210", "T1203"),
        steps=_EXPLOIT_STEPS,
        false_alarm="Programs, archives and other binary files on their way to a "
        "user, which hold machine code by nature.",
    ),
    "worms": Class(
        name="Worm",
        phrase="a worm that spreads by itself",
        meaning="A program copies itself from machine to machine over the network, "
        "without anybody's doing.",
        techniques=("T1210",),
        steps=(
            "Cut off the source at once if it is yours: minutes matter.",
            "Find the service it spreads through and close its port between segments.",
            "List every host the source reached since, and check each.",
            "Patch the service, then clean or rebuild the hosts found.",
        ),
        false_alarm="Software distribution, backups and inventory tools that reach "
        "many hosts in a short time.",
    ),
    "botnet": Class(
        name="Botnet",
        phrase="traffic of a hijacked machine with its controller",
        meaning="A machine that obeys somebody else talks to its controller: it asks "
        "for orders and carries them out together with many others.",
        techniques=("T1071",),
        steps=(
            "Cut the inner host off the network; keep its memory and disk.",
            "Look up the outer address and name in a reputation list.",
            "Search for other inner hosts that talk to it.",
            "Clean or rebuild the host and change credentials used on it.",
        ),
        false_alarm="Programs that ask a server at regular times: update checks, mail "
        "clients, chat, telemetry.",
    ),
    "brute_force": Class(
        name="Password guessing",
        phrase="password guessing",
        meaning="One password after another is tried on an account until one fits.",
        techniques=("T1110",),
        steps=(
            "See in the service's log whether a log-in from this source succeeded.",
            "If so, lock the account, end its sessions and see what it did.",
            "Block the source and limit tries per account and source.",
            "Ask for keys or a second factor instead of passwords alone.",
        ),
        false_alarm="A user who forgot a password, or a script that still has the old "
        "one.",
    ),
    "heartbleed": Class(
        name="Heartbleed",
        phrase="an attempt to read a server's memory (Heartbleed)",
        meaning="A flaw of old OpenSSL versions (CVE-2014-0160) lets anybody read "
        "pieces of the server's memory: passwords, sessions, private keys.",
        techniques=("T1190",),
        steps=(
            "Find out the server's OpenSSL version: 1.0.1 to 1.0.1f is vulnerable.",
            "If it is, patch at once and restart every program that uses it.",
            "Replace private keys and certificates, and revoke the old ones.",
            "End all sessions and have passwords changed.",
        ),
        false_alarm="Long encrypted connections with large answers to small requests; "
        "the training data hold only 11 such flows, so expect mistakes.",
    ),
    "infiltration": Class(
        name="Infiltration from within",
        phrase="activity of an intruder inside the network",
        meaning="Somebody inside opened a malicious file, and through that machine "
        "an attacker now explores the network.",
        techniques=("T1204", "T1046"),
        steps=(
            "Cut the inner host off the network; keep its memory and disk.",
            "Ask its user which file or link was opened, and from where.",
            "List what the host scanned or reached since then.",
            "Search other mailboxes and shares for the same file.",
        ),
        false_alarm="Large downloads from file sharing services, and inventory tools; "
        "the training data hold only 36 such flows, so expect mistakes.",
    ),
    "web_attack": Class(
        name="Attack on a web application",
        phrase="an attack on a web application",
        meaning="Requests try to trick a web application: guess log-ins, run commands "
        "in its database, or plant scripts in its pages.",
        techniques=("T1190", "T1110"),
        steps=(
            "Find the requests in the web server's log by source and time.",
            "See whether answers differ from the usual: status, size, duration.",
            "Check the application's accounts and data for changes.",
            "Block the source, then correct the input handling it aimed at.",
        ),
        false_alarm="Forms sent many times by a person or a test, crawlers, and "
        "security tests of your own.",
    ),
}

"""What is known of every attack type of the data sets evenflow reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Type:
    """One attack type; what it does not say, the class of ``base`` does."""

    base: str
    """Class whose steps, techniques and false alarms it shares."""
    name: str
    meaning: str
    techniques: tuple[str, ...] = ()
    step: str = ""
    """What to do first, before the class's steps."""
    false_alarm: str = ""


def _dos(name: str, meaning: str, technique: str = "T1499", step: str = "") -> Type:
    return Type(
        base="dos", name=name, meaning=meaning, techniques=(technique,), step=step
    )


def _probe(name: str, meaning: str, techniques: tuple[str, ...] = ()) -> Type:
    return Type(base="probe", name=name, meaning=meaning, techniques=techniques)


def _r2l(name: str, meaning: str, technique: str, step: str = "") -> Type:
    return Type(
        base="r2l", name=name, meaning=meaning, techniques=(technique,), step=step
    )


def _u2r(name: str, meaning: str, step: str = "") -> Type:
    return Type(base="u2r", name=name, meaning=meaning, step=step)


def _flood(base: str, what: str, techniques: tuple[str, ...]) -> Type:
    many = "Many hijacked devices send" if base == "ddos" else "One machine sends"
    return Type(
        base=base,
        name=f"{what} flood" + (" from many machines" if base == "ddos" else ""),
        meaning=f"{many} masses of {what} traffic until the target cannot answer its "
        "real users.",
        techniques=techniques,
    )


_OLD_PROGRAM = "Check whether that program is installed with raised rights, and patch "

TYPES: dict[str, Type] = {
    # KDD: denial of service
    "back": _dos(
        "Web server overload (back)",
        "Requests whose address holds thousands of slashes keep an old Apache web "
        "server busy until it stops answering.",
        step="Look in the web server's log for requests with very long runs of '/'.",
    ),
    "land": _dos(
        "Packet sent from itself to itself (land)",
        "A packet with the same address as sender and receiver makes old systems "
        "answer themselves without end.",
        step="Drop packets at the edge whose source is an address of your own.",
    ),
    "neptune": _dos(
        "SYN flood (neptune)",
        "Masses of half-opened connections fill the target's waiting list, so that "
        "real users cannot connect.",
        step="Turn SYN cookies on at the target, and lower its time-out for half-open "
        "connections.",
    ),
    "pod": _dos(
        "Ping of death (pod)",
        "An oversized, fragmented ping crashes old systems that put it together.",
        step="Drop fragmented ICMP at the edge and patch the target.",
    ),
    "smurf": _dos(
        "Reflected ping flood (smurf)",
        "Pings with the victim's address as sender go to whole networks, and all "
        "their answers hit the victim.",
        "T1498",
        step="Stop routers from passing pings to broadcast addresses.",
    ),
    "teardrop": _dos(
        "Overlapping fragments (teardrop)",
        "Fragments that overlap crash old systems that put them together.",
        step="Let the firewall reassemble fragments, and patch the target.",
    ),
    "apache2": _dos(
        "Web server overload (apache2)",
        "Requests with thousands of header lines use up an Apache web server's "
        "memory and time.",
        step="Limit number and size of request headers in the web server.",
    ),
    "mailbomb": _dos(
        "Mail flood (mailbomb)",
        "So many mails are sent to a server or mailbox that its queue or disk fills.",
        step="Limit messages per sender and watch the mail queue.",
    ),
    "processtable": _dos(
        "Process table overflow (processtable)",
        "So many connections are opened that a server starts a process for each and "
        "can start no more.",
        step="Limit processes per service and user on the target.",
    ),
    "udpstorm": _dos(
        "UDP loop (udpstorm)",
        "Two services that answer everything, such as echo and chargen, are made to "
        "answer each other without end.",
        "T1498",
        step="Switch echo, chargen and the like off; nobody needs them.",
    ),
    # KDD: scans
    "ipsweep": _probe(
        "Search for machines (ipsweep)",
        "One address after another is tried to learn which machines are up.",
        ("T1018", "T1595"),
    ),
    "nmap": _probe(
        "Scan with Nmap (nmap)",
        "The scanner Nmap tries ports in many ways, some of them half-open, to learn "
        "what a machine offers.",
    ),
    "portsweep": _probe(
        "Search for services (portsweep)",
        "Many ports of few machines are tried to learn which services they offer.",
    ),
    "satan": _probe(
        "Weakness scan (satan)",
        "The scanner SATAN looks for services with well-known weaknesses.",
    ),
    "mscan": _probe(
        "Weakness scan of many machines (mscan)",
        "The scanner mscan looks through whole networks for well-known weaknesses.",
    ),
    "saint": _probe(
        "Weakness scan (saint)",
        "The scanner SAINT, successor of SATAN, looks for well-known weaknesses.",
    ),
    # KDD: from outside to an account
    "ftp_write": _r2l(
        "Files planted over FTP (ftp_write)",
        "An FTP server lets anybody write into its folder; a planted file then opens "
        "an account.",
        "T1190",
        step="Make the anonymous FTP folder read-only and look for new files in it.",
    ),
    "guess_passwd": _r2l(
        "Password guessing (guess_passwd)",
        "One password after another is tried on an account until one fits.",
        "T1110",
        step="Limit failed log-ins per account and source.",
    ),
    "imap": _r2l(
        "Exploit of a mail server (imap)",
        "Too long a log-in to an old IMAP server makes it run the sender's code.",
        "T1190",
        step="Check the mail server's version and its log for overlong log-ins.",
    ),
    "multihop": _r2l(
        "Attack through several machines (multihop)",
        "The attacker breaks into one machine, and from it into the next.",
        "T1210",
        step="List where the host connected to after this session.",
    ),
    "phf": _r2l(
        "Exploit of a web script (phf)",
        "An old sample script of web servers runs any command it is sent.",
        "T1190",
        step="Remove sample scripts from the web server.",
    ),
    "spy": _r2l(
        "Long-term spying (spy)",
        "Somebody logs in again and again over days to find out and copy things "
        "without being seen.",
        "T1078",
        step="List all sessions of the account in the last weeks.",
    ),
    "warezclient": _r2l(
        "Download of unlawful copies (warezclient)",
        "Files that an intruder has put on an FTP server are fetched by others, "
        "through the guest account.",
        "T1078",
        step="List hidden folders on the FTP server and who fetched from them.",
    ),
    "warezmaster": _r2l(
        "Upload of unlawful copies (warezmaster)",
        "A guest account with write access is used to store unlawful copies on an "
        "FTP server.",
        "T1078",
        step="Take write access from the guest account and look for new folders.",
    ),
    "named": _r2l(
        "Exploit of a name server (named)",
        "A flaw of old BIND name servers makes them run the sender's code.",
        "T1190",
        step="Check the name server's version.",
    ),
    "sendmail": _r2l(
        "Exploit of a mail server (sendmail)",
        "A crafted mail makes an old sendmail run the sender's code.",
        "T1190",
        step="Check the mail server's version and queue.",
    ),
    "snmpgetattack": Type(
        base="r2l",
        name="Device settings read over SNMP (snmpgetattack)",
        meaning="Somebody who knows or guessed the SNMP password of a router or "
        "other device reads its settings from afar. On the wire it looks like "
        "ordinary monitoring.",
        techniques=("T1602",),
        step="Change the device's SNMP password and allow only your monitoring hosts.",
        false_alarm="Your own monitoring system: it asks in just the same way, and "
        "the training data hold both.",
    ),
    "snmpguess": _r2l(
        "Guessing of an SNMP password (snmpguess)",
        "One SNMP password after another is tried on a router or other device.",
        "T1110",
        step="Change default SNMP passwords and allow only your monitoring hosts.",
    ),
    "worm": Type(
        base="worms",
        name="Worm (worm)",
        meaning="A program copies itself to the next machine over the network, "
        "without anybody's doing.",
    ),
    "xlock": Type(
        base="r2l",
        name="Faked screen lock (xlock)",
        meaning="A false lock screen is shown on an open X display to catch the "
        "user's password.",
        techniques=("T1056",),
        step="Close the X display to the network and change the user's password.",
    ),
    "xsnoop": Type(
        base="r2l",
        name="Recorded keystrokes (xsnoop)",
        meaning="Keystrokes on an open X display are recorded from afar, passwords "
        "among them.",
        techniques=("T1056",),
        step="Close the X display to the network and change the user's password.",
    ),
    # KDD: from an account to root
    "buffer_overflow": _u2r(
        "Buffer overflow (buffer_overflow)",
        "Too long an input overwrites a privileged program's memory, and makes it run "
        "the sender's code.",
    ),
    "loadmodule": _u2r(
        "Exploit of loadmodule (loadmodule)",
        "A system program of old SunOS runs what it finds in the user's environment, "
        "as administrator.",
        step=f"{_OLD_PROGRAM}or remove it.",
    ),
    "perl": _u2r(
        "Exploit of Perl (perl)",
        "An old Perl with raised rights forgets to give them up, and its user becomes "
        "administrator.",
        step=f"{_OLD_PROGRAM}or remove it.",
    ),
    "rootkit": _u2r(
        "Rootkit (rootkit)",
        "Programs are installed that hide the intruder and keep the way in open.",
        step="Check the host from outside, started from a clean medium: its own tools "
        "may lie.",
    ),
    "httptunnel": Type(
        base="tunnel",
        name="Tunnel through web requests (httptunnel)",
        meaning="A hidden connection is wrapped in web requests, so that it passes "
        "the firewall.",
    ),
    "ps": _u2r(
        "Exploit of ps (ps)",
        "A race in the program ps of old Solaris lets its user become administrator.",
        step=f"{_OLD_PROGRAM}the system.",
    ),
    "sqlattack": _u2r(
        "Shell through a database (sqlattack)",
        "A database session is led out into a shell, and from there to administrator "
        "rights.",
        step="Look in the database's log for commands that start programs.",
    ),
    "xterm": _u2r(
        "Exploit of xterm (xterm)",
        "A buffer overflow in a terminal program with raised rights makes its user "
        "administrator.",
        step=f"{_OLD_PROGRAM}or take those rights away.",
    ),
    # BoT-IoT
    **{
        f"{base}_{what.lower()}": _flood(base, what, techniques)
        for base in ("ddos", "dos")
        for what, techniques in (
            ("HTTP", ("T1499",)),
            ("TCP", ("T1498", "T1499")),
            ("UDP", ("T1498",)),
        )
    },
    "reconnaissance_os_fingerprint": Type(
        base="reconnaissance",
        name="Guess at the operating system",
        meaning="Odd packets are sent to learn from the answers which system and "
        "version a device runs.",
    ),
    "reconnaissance_service_scan": Type(
        base="reconnaissance",
        name="Scan for services",
        meaning="Port after port is tried to learn which services a device offers.",
    ),
    "theft_data_exfiltration": Type(
        base="theft",
        name="Data copied out",
        meaning="Files leave a taken-over machine for somebody who should not have "
        "them.",
        techniques=("T1041", "T1048"),
    ),
    "theft_keylogging": Type(
        base="theft",
        name="Recorded keystrokes",
        meaning="Keystrokes of a taken-over machine are recorded and sent away, "
        "passwords among them.",
        techniques=("T1056", "T1041"),
    ),
    # CIC-IDS2017
    "dos_goldeneye": _dos(
        "Web server overload (GoldenEye)",
        "Many web requests that hold their connection open use up the server's places.",
    ),
    "dos_hulk": _dos(
        "Web request flood (Hulk)",
        "Masses of web requests, each different so that no cache can answer them, "
        "keep the server busy.",
    ),
    "dos_slowhttptest": _dos(
        "Slow web requests (SlowHTTPTest)",
        "Requests sent, or answers read, as slowly as possible hold all of the "
        "server's places.",
        step="Lower the web server's time-outs for request headers and bodies.",
    ),
    "dos_slowloris": _dos(
        "Slow web requests (Slowloris)",
        "Requests that never quite end hold all of the server's places, with hardly "
        "any traffic.",
        step="Lower the web server's time-out for request headers.",
    ),
    "ftp_patator": Type(
        base="brute_force",
        name="Password guessing on FTP (Patator)",
        meaning="The tool Patator tries one password after another on an FTP server.",
    ),
    "ssh_patator": Type(
        base="brute_force",
        name="Password guessing on SSH (Patator)",
        meaning="The tool Patator tries one password after another on an SSH server.",
    ),
    "web_attack_brute_force": Type(
        base="web_attack",
        name="Password guessing on a web page",
        meaning="One password after another is sent to a web page's log-in form.",
        techniques=("T1110",),
    ),
    "web_attack_sql_injection": Type(
        base="web_attack",
        name="SQL injection",
        meaning="Pieces of database commands are hidden in a form or address, to read "
        "or change what the database holds.",
        techniques=("T1190",),
    ),
    "web_attack_xss": Type(
        base="web_attack",
        name="Cross-site scripting (XSS)",
        meaning="A script is planted in a web page, to run in the browser of "
        "whoever visits it next.",
        techniques=("T1189",),
    ),
    "portscan": Type(
        base="port_scan",
        name="Port scan",
        meaning="Port after port is tried to learn which services a machine offers.",
    ),
    "bot": Type(
        base="botnet",
        name="Botnet (Ares)",
        meaning="A machine taken over with the tool Ares asks its controller for "
        "orders and sends back what it finds.",
    ),
}

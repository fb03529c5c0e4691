"""Many requests to web servers: who looks for pages that nobody links, and who checks.

Scanners and checkers of links differ in what they ask for, hardly in how.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from evenflow.lab._steps import WRONG, http_connection, url
from evenflow.lab.doing import Doing
from evenflow.lab.words import FOLDERS, ODD, ODD_METHODS, PATHS, host_name

WEB = ("nginx", "lighttpd", "tls", "api")
METHODS = (("GET",), ("GET",), ("HEAD",), ("HEAD", "GET"), ("GET", "POST", "OPTIONS"))

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux)"}


def ask(
    d: Doing,
    at: tuple[str, int],
    paths: Sequence[str],
    rate: float,
    *,
    source: str = "",
) -> int:
    """Ask for paths, in as many connections as is drawn; return how many exist."""
    per = d.rng.choice([1, 1, 1, 10, 100, 1000])
    at_once = min(d.rng.choice([1, 1, 1, 3, 10, 20]), len(paths))
    methods = d.rng.choice(METHODS)
    d.note(per_connection=per, at_once=at_once, requests=len(paths))
    found: list[int] = []

    def some(mine: Sequence[str]) -> None:
        for first in range(0, len(mine), per):
            web = http_connection(d, *at, source)
            for path in mine[first : first + per]:
                found.append(_one(d, web, d.rng.choice(methods), path, per))
                d.think(at_once / rate)
                if d.is_over():
                    return
            web.close()

    d.together(partial(some, paths[i::at_once]) for i in range(at_once))
    return sum(found)


def _one(
    d: Doing,
    web: http.client.HTTPConnection,
    method: str,
    path: str,
    per: int,
    more: Mapping[str, str] = BROWSER,
) -> int:
    """Ask for one path; return 1 where it exists."""
    headers = {"Host": "www.lab.example", **more}
    if per == 1:
        headers["Connection"] = "close"
    body = "a=1" if method == "POST" else None
    try:
        web.request(method, f"/{path}", body, headers)
        answer = web.getresponse()
        answer.read()
    except WRONG:
        web.close()
        return 0
    if per == 1:
        web.close()
    return int(answer.status < 400)


def _guesses(d: Doing, most: float) -> list[str]:
    """Return paths that somebody may have left on a server."""
    found = d.rng.sample(PATHS, min(len(PATHS), d.times(15, most)))
    d.note(requests=len(found))
    return found


def own_web_scan(d: Doing) -> bool:
    """Look for pages and holes by a program of a few lines."""
    at = d.service(*WEB)
    rate = d.rate(0.5, 200)
    return ask(d, at, _guesses(d, 250), rate) > 0


def spread_web_scan(d: Doing) -> bool:
    """Look for pages from several addresses."""
    at = d.service(*WEB)
    rate = d.rate(0.5, 60)
    sources = d.visitors(3, 10)
    paths = _guesses(d, 150)
    n = len(sources)
    found: list[int] = []

    def one(i: int) -> None:
        found.append(ask(d, at, paths[i::n], rate / n, source=sources[i]))

    d.together(partial(one, i) for i in range(min(n, len(paths))))
    return sum(found) > 0


def slow_web_scan(d: Doing) -> bool:
    """Look for pages, one in some seconds, without end."""
    at = d.service(*WEB)
    rate = d.rate(0.1, 1)
    many = min(len(PATHS), int(d.left() * rate) + 10)
    return ask(d, at, d.rng.sample(PATHS, many), rate) > 0


def wide_web_scan(d: Doing) -> bool:
    """Look for thousands of known holes: paths, odd endings, methods, headers."""
    at = d.service(*WEB)
    rate = d.rate(5, 600)
    n = d.times(150, 3000)
    odd, other = d.rng.choice([0.05, 0.2, 0.5]), d.rng.choice([0, 0.03, 0.2])
    per, at_once = d.rng.choice([1, 1, 5, 40, 100]), d.rng.choice([1, 1, 1, 4, 12])
    agent = {"User-Agent": f"Mozilla/5.0 (scan:{'0' * d.rng.randrange(60)})"}
    d.note(requests=n, per_connection=per, at_once=at_once)
    found: list[int] = []

    def some() -> None:
        for _ in range(0, n // at_once, per):
            web = http_connection(d, *at)
            for _ in range(per):
                path = d.rng.choice(PATHS)
                if d.rng.random() < odd:
                    path += d.rng.choice(ODD)
                headers = agent
                if d.rng.random() < 0.1:
                    headers = {**agent, "X-Test": "A" * d.rng.choice([8, 100, 1000])}
                method = d.rng.choice(ODD_METHODS) if d.rng.random() < other else "GET"
                found.append(_one(d, web, method, path, per, headers))
                d.think(at_once / rate)
                if d.is_over():
                    return
            web.close()

    d.together(some for _ in range(at_once))
    return sum(found) > 0


def wapiti(d: Doing) -> bool:
    """Look for holes by wapiti."""
    modules = d.rng.sample(["backup", "htaccess", "buster", "file", "sql", "crlf"], 2)
    return d.run(
        "env", f"HOME={d.folder}", "wapiti", "-u", url(d, *WEB[:2]) + "/", "-m",
        ",".join(modules), "--flush-session", "-v", "0", "-o", d.folder / "report",
        "-d", 1, "--no-bugreport", seconds=50,
    ) == 0  # fmt: skip


def web_scan_by(tool: str) -> Callable[[Doing], bool]:
    """Return a search for pages by gobuster, ffuf, dirb or wfuzz."""

    def scan(d: Doing) -> bool:
        base = url(d, *WEB[:3])
        words = d.folder / "words"
        words.write_text("\n".join(_guesses(d, 300)) + "\n")
        rate = d.rate(2, 150)
        at_once = d.rng.choice([1, 4, 10, 20]) if tool != "dirb" else 1
        wait = at_once / rate
        d.note(at_once=at_once)
        commands = {
            "gobuster": ["gobuster", "dir", "-q", "-k", "-z", "-u", base, "-w", words,
                         "-t", at_once, "--delay", f"{int(wait * 1000)}ms",
                         "-b", "404",
                         *d.rng.choice([[], ["-x", "php"], ["-m", "HEAD"]])],
            "ffuf": ["ffuf", "-s", "-w", words, "-u", f"{base}/FUZZ", "-t", at_once,
                     "-p", f"{wait:.3f}", *d.rng.choice([[], ["-ignore-body"]])],
            "dirb": ["dirb", f"{base}/", words, "-S", "-r", "-w", "-z",
                     int(wait * 1000)],
            "wfuzz": ["wfuzz", "-t", at_once, "-s", f"{wait:.3f}", "-w", words,
                      "--hc", "404", f"{base}/FUZZ"],
        }  # fmt: skip
        d.run(*commands[tool], seconds=55)
        return bool(d.outputs[-1].strip())

    return scan


def check_links(d: Doing) -> bool:
    """See whether what a site links is there; some pages do not exist."""
    at = d.service(*WEB)
    rate = d.rate(0.5, 100)
    gone = d.rng.choice([0, 0.05, 0.1, 0.2])
    d.note(gone=gone)
    paths = [
        f"{d.rng.choice(FOLDERS)}/page{d.rng.randrange(999)}.html"
        if d.rng.random() < gone
        else d.rng.choice(d.pages[:70])
        for _ in range(round(d.between(15, 250)))
    ]
    return ask(d, at, paths, rate) > 0


def check_site(d: Doing) -> bool:
    """See whether the many pages that a site and others link are there, fast."""
    at = d.service(*WEB)
    rate = d.rate(5, 300)
    gone = d.rng.choice([0, 0.02, 0.1, 0.3])
    paths = [
        f"{d.rng.choice(FOLDERS)}/{host_name(d.rng)}.html"
        if d.rng.random() < gone
        else d.rng.choice(d.pages[:75])
        for _ in range(round(d.between(100, 1500)))
    ]
    d.note(gone=gone)
    return ask(d, at, paths, rate) > 0


def keep_checking(d: Doing) -> bool:
    """See whether addresses of an application still answer, without end."""
    at = d.service(*WEB)
    rate = d.rate(0.1, 2)
    few = [d.rng.choice([*d.pages[:20], "status", "health", "old"]) for _ in range(9)]
    many = int(d.left() * rate) + 10
    return ask(d, at, [d.rng.choice(few) for _ in range(many)], rate) > 0


def copy_site(d: Doing) -> bool:
    """Copy a site by httrack."""
    return d.run(
        "httrack", url(d, *WEB[:2]) + "/", "-q", "-O", d.folder, "-r2", "-s0", "-I0",
        "-M6000000", f"-c{d.rng.choice([1, 4, 8])}", seconds=40,
    ) == 0  # fmt: skip


def load_test(d: Doing) -> bool:
    """See what a site bears, by siege: a few users, many pages."""
    base = url(d, "nginx", "lighttpd")
    urls = d.folder / "urls"
    urls.write_text("".join(f"{base}/{p}\n" for p in d.rng.sample(d.pages[:60], 20)))
    users, times = d.rng.choice([1, 3, 8]), d.rng.randint(5, 30)
    d.note(users=users, requests=users * times)
    (d.folder / "siege.conf").write_text(
        f"connection = {d.rng.choice(['close', 'keep-alive'])}\nparser = false\n"
    )
    return d.run(
        "env", f"HOME={d.folder}", "siege", "-q", "-R", d.folder / "siege.conf",
        "-f", urls, "-c", users, "-r", times, "-d", d.rng.choice(["0.1", "1", "3"]),
        seconds=50,
    ) == 0  # fmt: skip

"""A network namespace for a test: a pair of virtual interfaces, and nothing else."""

import ctypes
import functools
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def can_make_namespaces():
    """Return whether a namespace with a pair of interfaces can be made here."""
    if os.geteuid() != 0:
        return False
    pair = "ip link add near type veth peer name far"
    done = subprocess.run(["unshare", "-n", "sh", "-c", pair], capture_output=True)
    return done.returncode == 0


needs_root = pytest.mark.skipif(
    not can_make_namespaces(), reason="needs root, network namespaces, ip and veth"
)


def alone(test):
    """Run a test in a thread that is alone in a network namespace."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        errors = []

        def body():
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.unshare(CLONE_NEWNET) == 0
                with suppress(FileNotFoundError):  # a kernel without IPv6
                    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
                ip("link", "set", "lo", "up")
                ip("link", "add", "near", "type", "veth", "peer", "name", "far")
                ip("link", "set", "near", "up")
                ip("link", "set", "far", "up")
                test(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 (raised by the test)
                errors.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        if errors:
            raise errors[0]

    return needs_root(run)

"""Acts of ordinary clients, the twin of every attack among them."""

from __future__ import annotations

from evenflow.lab import _keeping as k
from evenflow.lab import _using as u
from evenflow.lab.doing import Action

ACTIONS = (
    Action(name="browsing", tool="own", do=u.browse, weight=5),
    Action(name="crawling", tool="wget", do=u.crawl, twin_of="dos"),
    Action(name="polling", tool="own", do=u.poll, weight=4),
    Action(name="download", tool="curl", do=u.download, weight=2),
    Action(name="slow form", tool="own", do=u.slow_post, twin_of="dos", weight=2),
    Action(name="upload", tool="curl", do=u.upload, twin_of="exfiltration"),
    Action(name="backup", tool="rsync, scp, lftp", do=u.back_up,
           twin_of="exfiltration"),
    Action(name="name burst", tool="own", do=u.many_names, twin_of="exfiltration",
           weight=3),
    Action(name="names", tool="dig", do=u.dig, weight=2),
    Action(name="clock", tool="own", do=u.clock),
    Action(name="telemetry", tool="own", do=u.datagrams, twin_of="dos", weight=2),
    Action(name="publishing", tool="mosquitto_pub", do=u.publish, weight=2),
    Action(name="reconnecting", tool="own", do=u.reconnect, twin_of="dos"),
    Action(name="subscribing", tool="mosquitto_sub", do=u.subscribe,
           twin_of="exfiltration"),
    Action(name="shell", tool="ssh", do=u.shell),
    Action(name="automation", tool="ssh", do=u.run_jobs, twin_of="guessing"),
    Action(name="mistyped log-in", tool="ssh, own", do=k.mistype, twin_of="guessing",
           weight=2),
    Action(name="expired password", tool="own", do=k.expired, twin_of="guessing"),
    Action(name="monitoring", tool="ping, own", do=k.monitor, twin_of="scan", weight=2),
    Action(name="inventory", tool="nmap", do=k.inventory, twin_of="scan"),
    Action(name="busy hour", tool="ab", do=k.busy_hour, twin_of="dos"),
    Action(name="crowd", tool="own", do=k.crowd, twin_of="dos"),
    Action(name="retries", tool="own", do=k.retry, twin_of="scan", weight=1.5),
    Action(name="ping", tool="ping", do=k.ping, twin_of="dos"),
    Action(name="updates", tool="curl", do=k.update),
    Action(name="FTP", tool="lftp", do=k.ftp),
    Action(name="peers", tool="own", do=k.peers, twin_of="scan", weight=2),
)  # fmt: skip

# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""The clusters of this host, and how each is reached."""

from __future__ import annotations

import functools
import json
import os

from rootless_backup.databases.postgresql import client
from rootless_backup.databases.postgresql.client import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # `name`, and what else is known: `port`, `socket`, `programs`, `version`, `wanted`.
    Cluster = dict[str, Any]

SETTINGS = "/etc/backup/postgresql.json"


def read_settings() -> dict[str, Any]:
    with open(SETTINGS, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


@functools.cache
def found() -> list[Cluster]:
    """The clusters that pg_lsclusters(1) shows; wanted are those that are online or are to start by themselves."""
    if not os.path.exists("/usr/bin/pg_lsclusters"):
        return []
    clusters = []
    for line in output(["pg_lsclusters", "--no-header"]).decode().splitlines():
        version, name, port, status = line.split()[:4]
        wanted = status.startswith("online") or start_mode(version, name) == "auto"
        clusters.append(
            {
                "name": "%s-%s" % (version, name),
                "port": int(port),
                "wanted": wanted,
                "programs": programs_of(version),
                "version": int(version.split(".")[0]),
            }
        )
    return clusters


def programs_of(version: object) -> str:
    """Where the programs of a version are. In /usr/bin there are only ones that look for these, each time anew."""
    return "/usr/lib/postgresql/%s/bin/" % version


def preferring(programs: str) -> dict[str, str]:
    """The search path that leads to these programs before those of /usr/bin, if there are any; what is in /usr/local stays first."""
    path = os.environ["PATH"].split(":")
    at = path.index("/usr/bin") if "/usr/bin" in path else len(path)
    return {"PATH": ":".join([*path[:at], programs, *path[at:]])}


def start_mode(version: str, name: str) -> str:
    """`auto`, `manual` or `disabled`. See pg_createcluster(1), start.conf."""
    try:
        with open("/etc/postgresql/%s/%s/start.conf" % (version, name), encoding="utf-8") as file:
            words = [line.split("#")[0].strip() for line in file]
    except FileNotFoundError:
        return "auto"
    return next((word for word in words if word), "auto")


def connection(cluster: Cluster) -> dict[str, str]:
    """The environment that leads the clients of a cluster's own version to it."""
    host, port = cluster.get("socket", "/var/run/postgresql"), str(cluster.get("port", 5432))
    # Debian's choice is the newest: its dumps the older ones do not read, and what it loads may be too new for the server.
    version = cluster.get("version") or client.version_of(host, port)
    env = dict(client.environment(host, port), **preferring(cluster.get("programs") or programs_of(version)))
    for name, since in client.TIMEOUTS.items():
        env["PGOPTIONS"] += " -c %s=0" % name if version >= since else ""
    return env


def target(directory: str) -> Cluster:
    """The cluster to restore into: the one that was dumped, or the only one that is there."""
    clusters: list[Cluster] = read_settings()["clusters"] or [cluster for cluster in found() if cluster["wanted"]]
    same = [cluster for cluster in clusters if str(cluster["name"]) == directory]
    if len(same or clusters) != 1:
        raise OSError(
            "the dump is of cluster %s; there are %s. Name the one to restore into in postgres_clusters, as %s."
            % (directory, ", ".join(str(cluster["name"]) for cluster in clusters) or "none", directory)
        )
    return (same or clusters)[0]

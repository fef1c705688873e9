# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""The clusters of this host, and how each is reached."""

from __future__ import annotations

import functools
import json
import os

from rootless_backup import untrusted
from rootless_backup.databases.postgresql import client
from rootless_backup.databases.postgresql.client import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # `name`, and what else is known: `port`, `socket`, `programs`, `version`, `wanted`.
    Cluster = dict[str, Any]

SETTINGS = "/etc/backup/postgresql.json"
# Where Debian has its sockets.
SOCKETS = "/var/run/postgresql"


def read_settings() -> dict[str, Any]:
    with open(SETTINGS, encoding="utf-8") as file:
        settings: dict[str, Any] = json.load(file)
    return settings


@functools.cache
def found() -> list[Cluster]:
    """The clusters that pg_lsclusters(1) shows; wanted are those that are online or are to start by themselves."""
    if not os.path.exists("/usr/bin/pg_lsclusters"):
        return []
    clusters = []
    for line in output(["pg_lsclusters", "--no-header"]).decode(errors="surrogateescape").splitlines():
        version, name, port, status, _owner, data = line.split(maxsplit=6)[:6]
        # One that is online can be dumped by the programs of another version; that its port answers says only that some cluster is.
        online = status.startswith("online") and (not os.path.isdir(data) or os.path.exists(os.path.join(data, "postmaster.pid")))
        removed = "binaries_missing" in status.split(",") and not online
        if removed:
            untrusted.tell(
                4,
                "cluster %s-%s has no programs any more, and is not dumped: its packages were removed, but not its data. Install them "
                "again, or drop it: pg_dropcluster %s %s" % (version, name, version, name),
            )
        wanted = not removed and (online or start_mode(version, name) == "auto")
        clusters.append(
            {
                "name": "%s-%s" % (version, name),
                "port": int(port),
                "wanted": wanted,
                "programs": programs_of(version),
                "version": int(version.split(".")[0]),
                "data": data,
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
    host, port = socket_of(cluster), str(cluster.get("port", 5432))
    # Debian's choice is the newest: its dumps the older ones do not read, and what it loads may be too new for the server.
    version = cluster.get("version") or client.version_of(host, port)
    programs = preferring(cluster.get("programs") or programs_of(version))
    return dict(client.environment(host, port), PGOPTIONS=client.options(version), **programs)


def socket_of(cluster: Cluster) -> str:
    """The directory of the socket of a cluster. OSError: it has none here."""
    configured: str | None = cluster.get("socket")
    name = ".s.PGSQL.%d" % cluster.get("port", 5432)
    if configured is not None or "data" not in cluster or os.path.exists(os.path.join(SOCKETS, name)):
        return configured or SOCKETS
    try:
        # See the page on the layout of database files; the fifth line is the first of unix_socket_directories.
        places = untrusted.read_plain(os.path.join(cluster["data"], "postmaster.pid"), 64 << 10).decode(errors="surrogateescape")
        place = places.split("\n")[4]
    except (OSError, ValueError, IndexError):
        # It is down, and the client says so.
        return SOCKETS
    if place and not os.path.exists(os.path.join(place, name)):
        raise OSError(
            "its socket is in %s, which the sandbox of this hook does not see: let unix_socket_directories name %s too" % (place, SOCKETS)
        )
    return place or SOCKETS


def target(directory: str) -> Cluster:
    """The cluster to restore into: the one that was dumped, or the only one that is there."""
    clusters: list[Cluster] = read_settings()["clusters"] or [cluster for cluster in found() if cluster["wanted"]]
    matching = [cluster for cluster in clusters if str(cluster["name"]) == directory]
    if len(matching or clusters) != 1:
        raise OSError(
            "the dump is of cluster %s; there are %s. Name the one to restore into in postgres_clusters, as %s."
            % (directory, ", ".join(str(cluster["name"]) for cluster in clusters) or "none", directory)
        )
    return (matching or clusters)[0]

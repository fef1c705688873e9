# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Which services hold what is to come back, and how they are stopped before and started after."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import subprocess

from rootless_backup import host, statefile, systemd, untrusted
from rootless_backup.records import status
from rootless_backup.restore.belonging import SERVERS, row_of
from rootless_backup.restore.dpkg import forms
from rootless_backup.restore.terminal import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rootless_backup.restore.belonging import Belonging

# What this machine is reached and run by, and the backup itself.
RUNS_ON = re.compile(
    r"(?:ssh|sshd|ssh@.*|systemd-.*|dbus.*|user@.*|.*getty.*|polkit|backup|backup-.*|borg-.*"
    # The network, and tunnels that an administrator may come by.
    r"|networking|NetworkManager.*|wpa_supplicant.*|iwd|ifup@.*|dhcpcd.*|dhclient.*|connman|firewalld|nftables|ufw"
    r"|dropbear.*|tinc.*|frr|bird.*|keepalived|sssd.*|netbird|tailscaled|openvpn.*|wg-quick@.*|strongswan.*|ipsec|zerotier-one|nebula.*|cloudflared)"
    r"\..*"
)
# What loads its own dumps while it runs.
DATABASES = re.compile(r"(postgresql|mariadb|mysql)(?:@.*)?\.service")
# Of targets that a machine that is up has reached.
ENABLED = re.compile(
    r"/etc/systemd/system/(?:multi-user|graphical|default|timers|sockets|paths)\.target\.(?:wants|requires)/([^/]+\.(?:service|socket|timer|path))"
)
PROPERTIES = "Id", "FragmentPath", "User", "StateDirectory", "TriggeredBy"
# Who writes into directories that are everybody's, by what their packages provide.
SHARED = {
    "/var/mail": {"mail-transport-agent", "imap-server", "pop3-server"},
    "/var/spool/mail": {"mail-transport-agent", "imap-server", "pop3-server"},
    "/var/www": {"httpd", "httpd-cgi", "php-fpm"},
}
FORM = status.many(status.text)
# The results of a unit that runs, has ended well, or has found that it is not for this machine (ExecCondition=).
FINE = "", "success", "exec-condition"


class Holders:
    """The services that are running, and which of them hold what."""

    def __init__(self, belonging: Belonging) -> None:
        self.packages = belonging.packages
        # The database servers that have a hook.
        self.loads = {name for _pattern, name in belonging.hooks} & SERVERS.keys()
        self.owners = belonging.owners
        listed = systemd.output("systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend", "--full")
        names = [line.split()[0] for line in listed.splitlines() if line.strip()]
        self.running = systemd.show_each(names, *PROPERTIES) if names else []
        fragments = {form for unit in self.running for form in forms(unit["FragmentPath"])}
        self.of_unit = self.packages.owners(fragments)

    def of(self, rows: Collection[str]) -> dict[str, list[str]]:
        """The units that hold one of the rows, with what triggers them: `{unit: its triggers}`."""
        opened = units_with_open_files(rows)
        triggers = {}
        for unit in self.running:
            if not self.stays(unit["Id"]) and (unit["Id"] in opened or any(self.holds(unit, row) for row in rows)):
                triggers[unit["Id"]] = unit["TriggeredBy"].split()
        return triggers

    def stays(self, unit: str) -> bool:
        server = DATABASES.fullmatch(unit)
        return bool(RUNS_ON.fullmatch(unit) or (server and ("postgresql" if server[1] == "postgresql" else "mariadb") in self.loads))

    def holds(self, unit: dict[str, str], row: str) -> bool:
        """Whether a unit is of whom the row is: of a package of the same source, by its user, by its name."""
        packages = {name for form in forms(unit["FragmentPath"]) for name in self.of_unit.get(form, ())}
        # What is of several is a directory that they share.
        sources = self.packages.sources(self.owners.get(row, ()))
        if len(sources) == 1 and self.packages.sources(packages) & sources:
            return True
        if any(SHARED.get(row, set()) & self.packages.installed[name].provides for name in packages if name in self.packages.installed):
            return True
        name = os.path.basename(row)
        if unit["Id"].partition(".")[0].partition("@")[0] == name or name in unit["StateDirectory"].split():
            return True
        return unit["User"] not in ("", "root", "nobody") and unit["User"] == owner_of(row)


def owner_of(path: str) -> str:
    with contextlib.suppress(OSError, KeyError):
        return pwd.getpwuid(os.lstat(path).st_uid).pw_name
    return ""


def units_with_open_files(rows: Collection[str]) -> set[str]:
    """The services with a process that has a file below one of the rows open, or works there."""
    units = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        if any(row_of(path) in rows for path in opened_by(process)):
            with contextlib.suppress(OSError), open("/proc/%s/cgroup" % process, encoding="utf-8", errors="replace") as file:
                units |= set(re.findall(r"/([^/\n]+\.service)(?=[/\n])", file.read()))
    return units


def opened_by(process: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield os.readlink("/proc/%s/cwd" % process)
        for name in os.listdir("/proc/%s/fd" % process):
            with contextlib.suppress(OSError):
                yield os.readlink("/proc/%s/fd/%s" % (process, name))


# -- stopped, and started again ----------------------------------------------------------------------------------------


def note() -> str:
    # No hook has a name with a dot.
    return host.RESTORE_STATE + "/.stopped"


def stopped() -> list[str]:
    """The units that a restore has stopped and nobody started again. Untrustworthy, OSError: that cannot be read."""
    try:
        units: list[str] = untrusted.read_json(note(), most=1 << 20)
    except FileNotFoundError:
        return []
    if not FORM(units):
        raise untrusted.Untrustworthy("%s has not its form" % note())
    return units


def enabled(rows: Collection[str]) -> list[str]:
    """The units that links among the rows enable."""
    names = {match[1] for match in map(ENABLED.fullmatch, rows) if match}
    return sorted(name for name in names if not RUNS_ON.fullmatch(name))


def stop(units: dict[str, list[str]], later: Collection[str] = ()) -> bool:
    """Stop services and what would start them again. Return whether all are.

    They are noted before, so that they are found whatever ends this, with what else is to be started later.
    """
    names = [name for triggers in units.values() for name in triggers] + list(units)
    os.makedirs(host.RESTORE_STATE, mode=0o711, exist_ok=True)
    statefile.write(note(), json.dumps(sorted({*stopped(), *names, *later})) + "\n")
    return not names or systemd.stop(*names)


def start() -> bool:
    """Start what was stopped, and what a restore has enabled. Return whether all of that runs; what does not is told."""
    before = failed()
    subprocess.run(["systemctl", "daemon-reload"], stdin=subprocess.DEVNULL, check=False)
    names = stopped()
    # Its settings, and what it needs, may be others by now.
    for name in names:
        systemd.reset_failed(name)
    if names:
        subprocess.run(["systemctl", "start", "--", *names], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    states = {name: systemd.show_or_nothing(name, "LoadState", "ActiveState", "Result") for name in names}
    # What is not there is of a package that is not installed; what has ended well was to run once.
    loaded = {name: state for name, state in states.items() if state["LoadState"] == "loaded"}
    lacking = {name for name, state in loaded.items() if state["ActiveState"] == "failed" or state["Result"] not in FINE}
    lacking |= failed() - before
    for name in sorted(lacking):
        tell(untrusted.printable("backupctl restore-services: %s does not run: systemctl status %s" % (name, name)))
    running = sorted(name for name, state in loaded.items() if state["ActiveState"] in ("active", "activating"))
    if running:
        untrusted.say("started: ", untrusted.printable(", ".join(running)))
    again = sorted(lacking & {*names})
    if again:
        statefile.write(note(), json.dumps(again) + "\n")
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(note())
    return not lacking


def failed() -> set[str]:
    """The units that have failed, but for the backup's own."""
    listed = systemd.output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full")
    names = {line.split()[0] for line in listed.splitlines() if line.strip()}
    return {name for name in names if not RUNS_ON.fullmatch(name)}

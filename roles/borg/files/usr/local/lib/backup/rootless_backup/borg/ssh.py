# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""The SSH of this backup."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess

from rootless_backup import credentials, host, untrusted

# Repositories on servers that role repository sets up, a line each, with the names of these in the inventory.
SERVERS = host.SETTINGS_DIRECTORY + "/servers"


def command(key: str | None = None) -> list[str]:
    """Its own key, or another one, only host keys that were pinned, never a question, never for ever."""
    options = [
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/etc/backup/known_hosts",
        "GlobalKnownHostsFile=/dev/null",
        "ConnectTimeout=60",
        "ServerAliveInterval=30",
        "ServerAliveCountMax=10",
    ]
    own = key or credentials.path("borg.ssh-key")
    return ["ssh", "-F", "/dev/null", "-i", own, *(word for option in options for word in ("-o", option))]


def why_not(location: str, key: str | None = None) -> tuple[str, list[str]] | None:
    """Ask the server itself why it did not let Borg in, with its own key or another one: Borg often does not hear its reason.

    Return what it is, and what to do about it, a line each; None: it says nothing.
    """
    match = re.fullmatch(r"ssh://((?:[^@/]*@)?(?:\[[^\]]*\]|[^:/]*))(?::([0-9]+))?(/.*)", location)
    # The settings were held to that.
    assert match
    target, port, path = match.groups()
    call = [*command(key), *(["-p", port] if port else []), target.replace("[", "").replace("]", ""), "borg", "--version"]
    probe = subprocess.run(call, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    output = probe.stderr.decode(errors="backslashreplace").strip()
    server, new = server_of(location), "" if key is None else "new "
    if "Permission denied" in output and server:
        return (
            "%s: the server refuses the %skey of this host" % (location, new),
            [
                "Run role repository on %s, then role borg here: by the inventory the server lets this host in. If it is `absent` in "
                "repository_clients there, that is meant." % server
            ],
        )
    if "Permission denied" in output:
        # Type and key only, as the role prints it too; the command is the shell's there, in quotes in which only a quote needs escaping.
        serve = "borg serve --append-only --restrict-to-repository %s" % shlex.quote(re.sub(r"^/(\.|~)/", "", path))
        return (
            "%s: the server refuses the %skey of this host" % (location, new),
            [
                "Add this line to ~/.ssh/authorized_keys of the user of %s:" % location,
                'command="%s",restrict %s' % (serve.replace('"', '\\"'), " ".join(public(key).split()[:2])),
            ],
        )
    if "Host key verification failed" in output and server:
        return (
            "%s: the server's host key is not the one that role repository read of it" % location,
            [
                "If %s was set up anew, remove repository-host-key from its backup_secrets_dir on the control node, run role repository on "
                "it, then role borg here; if not, find out why it changed before you do." % server
            ],
        )
    if "Host key verification failed" in output:
        return (
            "%s: the server's host key is not the one in borg_known_hosts" % location,
            ["If the server is new, add its key to borg_known_hosts; if not, find out why it changed before you do."],
        )
    if probe.returncode == 127:
        return "%s: the server let this host in, but Borg is not installed there" % location, [
            "Install Borg on the server of %s." % location
        ]
    return ("%s: the server said: %s" % (location, output), []) if output else None


def public(key: str | None) -> str:
    """The public key of its own one, or of another one."""
    if key is not None:
        return subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", key], stdout=subprocess.PIPE, text=True, check=True).stdout
    with open("/etc/credstore/borg.ssh-key.pub", encoding="utf-8") as file:
        return file.read()


def server_of(location: str) -> str:
    """The name in the inventory of the server of a repository that role repository set up; empty: it is on none."""
    with contextlib.suppress(OSError, untrusted.Untrustworthy):
        for line in untrusted.read_plain(SERVERS).decode("utf-8", "replace").splitlines():
            known, _space, server = line.partition(" ")
            if known == location:
                return untrusted.printable(server)
    return ""

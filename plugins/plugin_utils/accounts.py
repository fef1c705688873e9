# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of machines on a server of repositories, as the control node computes and remembers them.

All of it is made of the inventory. A machine can say facts of any name, which outrank the inventory: where one has a part in what is
read of a machine here, that machine is left as it was.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from ansible.errors import AnsibleActionFail
from ansible_collections.rootless.backup.plugins.plugin_utils import answer, facts, keys, numbers, slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MEMORY = "repository-accounts.json"
HOST_KEY = "repository-host-key"
# Not called as what a host saves of itself, which would make a new host look like one that was rebuilt.
CLIENT_KEY = "repository-key"
# A key that a host made for a server elsewhere: it has one for all.
OWN_KEY = "ssh-key"
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")

NO_ACCOUNT = ("borg_repositories: the server %s has no account for %s. Run role repository on %s first, in the same playbook or before it; "
              "borg_repositories has to stand in the inventory, where the server's play sees it.")
NOT_OF_INVENTORY = ("backup_secrets_dir: this play has %s, but what the inventory says of %s gives %s, where the play of the other side "
                    "looks. Set it in the inventory (group_vars, host_vars), or for all of the run by -e.")
UNKNOWN = ("repository_clients: %s is not allowed, since no machine of this name saves to %s, or ever did. Use the name of one that does, "
           "or take the entry out. There are %s.")


def secrets_of(variables: Mapping[str, Any], host: str) -> str:
    """The directory of the control node that is `backup_secrets_dir` of a host, whichever host the play is at."""
    setting = variables["hostvars"][host].get("backup_secrets_dir")
    if setting:
        return str(setting)
    beside = variables["hostvars"][host].get("inventory_dir")
    return os.path.join(str(beside) if beside and str(beside) != "None" else os.environ.get("PWD", "/"), "backup-secrets", host)


def same_secrets(variables: Mapping[str, Any], host: str, given: object) -> str:
    """The directory of `secrets_of` for the host of the play; `given` is the play's own value of it. AnsibleActionFail: they are two."""
    directory = secrets_of(variables, host)
    if os.path.normpath(str(given)) != os.path.normpath(directory):
        raise AnsibleActionFail(NOT_OF_INVENTORY % (given, host, directory))
    return directory


def refuse_facts(variables: Mapping[str, Any], host: str) -> None:
    """Fail if a fact of the host has a part in a setting. AnsibleActionFail: the text says which."""
    raw = dict(variables["hostvars"].raw_get(host))
    facts.refuse(dict(raw, hostvars=variables["hostvars"], inventory_hostname=host))


def read(directory: str) -> dict[str, Any]:
    """What is remembered of a server. AnsibleActionFail: it cannot be read, and to begin anew would give accounts other numbers."""
    path = os.path.join(directory, MEMORY)
    try:
        with open(path, encoding="utf-8") as file:
            memory: dict[str, Any] = json.load(file)
        if not isinstance(memory["accounts"], dict):
            raise ValueError("it holds no accounts")
        return memory
    except FileNotFoundError:
        return {"accounts": {}}
    except (OSError, ValueError, KeyError) as error:
        raise AnsibleActionFail("%s, which says whose account has which number, cannot be read: %s. Put a copy of it back."
                                % (path, error)) from None


def write(directory: str, memory: Mapping[str, Any]) -> None:
    """Remember of a server what differs from what is remembered; by rename."""
    path = os.path.join(directory, MEMORY)
    text = json.dumps(memory, indent=2, sort_keys=True) + "\n"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    os.makedirs(directory, mode=0o700, exist_ok=True)
    new = "%s.%d.new" % (path, os.getpid())
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)


def account(uid: int) -> str:
    """The name of an account: that of a machine may be longer than a user's, and hold other characters."""
    return "repo%d" % uid


def servers(entries: object) -> list[str]:
    """The servers that `borg_repositories` of a machine names."""
    places = entries if isinstance(entries, (list, tuple)) else []
    return [str(entry["server"]) for entry in places if isinstance(entry, Mapping) and "server" in entry]


def clients(variables: Mapping[str, Any], server: str, warn: Callable[[str], object]) -> tuple[list[str], list[str]]:
    """The machines of the inventory that save to a server, and those of which that cannot be told."""
    hosts, doubtful = [], []
    for host in sorted(variables["groups"]["all"]):
        raw = variables["hostvars"].raw_get(host)
        if "borg_repositories" not in raw:
            continue
        try:
            refuse_facts(variables, host)
            if server in servers(variables["hostvars"][host]["borg_repositories"]):
                hosts.append(host)
        except Exception as error:  # whatever is wrong with one machine must not keep the others out
            warn("%s: it is not known whether it saves to %s, so its account stays as it is: %s"
                 % (host, server, answer.line(str(error))))
            doubtful.append(host)
    return hosts, doubtful


def client_key(directory: str, host: str, may_write: bool) -> str:
    """The public key of a machine, which the control node makes if there is none; empty: in check mode, where it would be made.

    The plays of two servers may do so at the same time: the first key that is there is the one of both.
    """
    path = os.path.join(directory, CLIENT_KEY)
    if not os.path.isfile(path):
        own = os.path.join(directory, OWN_KEY)
        known = keys.of_private(own) if os.path.isfile(own) else None
        if not may_write:
            return known or ""
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if known is None:
            keys.make(path, "backup@" + printable(host))
        else:
            keys.copy(own, path)
    return public_of(path, may_write)


def public_of(path: str, may_write: bool) -> str:
    """The public key of a private one, which stands beside it, since ssh-keygen takes its time for a thousand of them."""
    try:
        with open(path + ".pub", "rb") as public:
            return keys.public_key(public.read(8192))
    except FileNotFoundError:
        pass
    except keys.Unusable:
        raise AnsibleActionFail("%s.pub is no public key; remove it, and it is made anew" % path) from None
    derived = keys.of_private(path)
    if derived is None:
        raise AnsibleActionFail("%s is no SSH key that can be used; put a copy of it back, or remove it to have a new one made" % path)
    if may_write:
        new = "%s.pub.%d.new" % (path, os.getpid())
        with open(new, "w", encoding="ascii") as file:
            file.write(derived + "\n")
        os.rename(new, path + ".pub")
    return derived


def printable(name: str) -> str:
    return re.sub("[^A-Za-z0-9._-]", "_", name)


def address_of(variables: Mapping[str, Any], server: str, given: str) -> str:
    """Where a server is reached. AnsibleActionFail: that is no address."""
    raw = dict(variables["hostvars"].raw_get(server), hostvars=variables["hostvars"], inventory_hostname=server)
    fact_names = facts.names(raw)
    by_host = facts.made_of(raw, "ansible_host", fact_names | {"ansible_facts", "ansible_local"})
    ansible = None if by_host else variables["hostvars"][server].get("ansible_host")
    return address(str(given or ansible or server), server)


def address(name: str, server: str) -> str:
    """The name, if it can be the address of a server. AnsibleActionFail: it cannot."""
    if not ADDRESS.fullmatch(name):
        raise AnsibleActionFail("repository_address: %s is no name or IP address; set it in the inventory to how the machines reach %s"
                                % (answer.line(name), server))
    return name


def computed(variables: Mapping[str, Any], options: Mapping[str, Any], warn: Callable[[str], object]) -> list[dict[str, Any]]:
    """All accounts of the server that the play is at, as `{name, account, uid, key, quota, alert_after, state}`.

    They are remembered, but in check mode.
    """
    server, may_write = str(variables["inventory_hostname"]), not variables.get("ansible_check_mode")
    directory = same_secrets(variables, server, options["secrets"])
    memory = read(directory)
    known: dict[str, Any] = memory["accounts"]
    wanted, doubtful = clients(variables, server, warn)
    differs = {str(client["name"]): client for client in options["clients"]}
    for name in sorted(set(differs) - set(known) - set(wanted) - set(doubtful)):
        # One that is misspelt would let a machine in that is to be kept out.
        raise AnsibleActionFail(UNKNOWN % (answer.line(name), server, ", ".join(sorted(set(known) | set(wanted))) or "none"))
    absent = {name for name, client in differs.items() if client.get("state") == "absent"}
    unknown = [name for name in wanted if name not in known and name not in absent]
    new = numbers.allot(unknown, [machine["uid"] for machine in known.values()], options["uid_range"])
    for name, uid in new.items():
        known[name] = {"uid": uid, "key": ""}
    for name in set(known) - set(doubtful) - (set(wanted) - absent):
        # Somebody else may start then.
        known[name].pop("slot", None)
    lacking = [known[name] for name in sorted(set(wanted) - absent) if "slot" not in known[name]]
    for machine, slot in zip(lacking, slots.free(known.values())):
        machine["slot"] = slot
    for name in sorted(set(wanted) - absent):
        known[name]["key"] = client_key(secrets_of(variables, name), name, may_write)
    for name in sorted(set(known) - set(wanted) - set(doubtful) - absent):
        warn("%s: no machine of the inventory of this name saves to %s any more. Its account stays. To let it in no more: "
             "repository_clients: [{name: %s, state: absent}]" % (name, server, name))
    memory.update(address=address_of(variables, server, options["address"]), port=int(options["port"]))
    if may_write:
        write(directory, memory)
    return [{"name": name, "account": account(machine["uid"]), "uid": machine["uid"], "key": machine["key"],
             "quota": str(differs.get(name, {}).get("quota") or options["quota"]),
             "alert_after": int(differs.get(name, {}).get("alert_after", options["alert_after"])),
             "state": "absent" if name in absent or not machine["key"] else "present"} for name, machine in sorted(known.items())]


def place(variables: Mapping[str, Any], server: str, secrets: object) -> dict[str, Any]:
    """Where the machine that the play is at saves to on a server, as `{location, known_host, server, position}`. `secrets`: what the play
    has as its `backup_secrets_dir`; the position is that of its start in the window of all, empty for one that has none.

    AnsibleActionFail: the server does not know it.
    """
    host = str(variables["inventory_hostname"])
    if server not in variables["groups"]["all"]:
        raise AnsibleActionFail("borg_repositories: there is no host %s in the inventory. Use the name of a host that has role repository."
                                % server)
    refuse_facts(variables, server)
    same_secrets(variables, host, secrets)
    directory = secrets_of(variables, server)
    memory = read(directory)
    entry = memory["accounts"].get(host, {})
    uid = entry.get("uid")
    if uid is None and variables.get("ansible_check_mode"):
        # What the server's own play would have noted.
        of_server = variables["hostvars"][server]
        uid = numbers.allot([host], [], str(of_server.get("repository_uid_range") or "70000-79999"))[host]
        memory.update(address=address_of(variables, server, str(of_server.get("repository_address") or "")),
                      port=int(of_server.get("repository_port") or 22))
    if uid is None:
        raise AnsibleActionFail(NO_ACCOUNT % (server, host, server))
    at, port = address(str(memory["address"]), server), int(memory["port"])
    literal = "[%s]" % at if ":" in at else at
    location = "ssh://%s@%s%s/./repository" % (account(uid), literal, "" if port == 22 else ":%d" % port)
    try:
        with open(os.path.join(directory, HOST_KEY), "rb") as file:
            known = "%s %s" % (at if port == 22 else "[%s]:%d" % (at, port), keys.public_key(file.read(8192)))
    except FileNotFoundError:
        if not variables.get("ansible_check_mode"):
            raise AnsibleActionFail("borg_repositories: the host key of %s is not known yet. Run role repository on it first."
                                    % server) from None
        known = "%s ssh-ed25519 AAAA" % at
    except keys.Unusable:
        raise AnsibleActionFail("%s is no host key; remove it, and run role repository on %s"
                                % (os.path.join(directory, HOST_KEY), server)) from None
    position = slots.position(int(entry["slot"])) if "slot" in entry else ""
    return {"location": location, "known_host": known, "server": server, "position": position}

# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself must not be a setting: a fact outranks the defaults of a role, and the inventory.

Any module can answer with facts of any name. So a setting that decides something on the control node is refused if a fact has a part in
it, by its own name or by that of a variable that it is made of.
"""

from __future__ import annotations

import functools
import glob
import json
import os
import re

from ansible.errors import AnsibleActionFail
from jinja2 import Environment, TemplateError, nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

# What the control node runs; with the settings that are marked so, such as its paths, made of nothing that a host says, not even
# `ansible_hostname`.
NODE = "rootless_backup_node"
# The same of the playbook `fleet`.
FLEET = ("fleet_directory", "fleet_fail", "fleet_hosts", "fleet_mail_to", "fleet_mail_from", "fleet_mail_smtp")
# What Ansible says of the control node, and paths are made of where no setting says them.
PLACES = {"inventory_dir", "inventory_file", "playbook_dir"}
# Variables of ours that are no settings, beside those with an underscore and the prefix of a role.
OURS = re.compile(r"_{1,2}restore_.*|__sqlite|rootless_backup_node|ansible_facts|"
                  r"restore_(?:host|paths|beside|archive|dumps|users|again|done|packages|services|etc|host_keys)|" + "|".join(FLEET))


def refuse(task_vars: Mapping[str, Any]) -> None:
    """Fail, before the host is asked anything, if it has set something that is not its to set."""
    fact_names = names(task_vars)
    roles = rules()
    settings = {name for role in roles for name in role["settings"]}
    internal = {name for name in fact_names if OURS.fullmatch(name) or any(re.match("_{1,2}" + role["prefix"], name) for role in roles)}
    problems = ["%s: the host itself says it, as a fact; a setting has to come from the inventory or the play. If it was set by set_fact, "
                "leave `cacheable` out." % name for name in sorted(fact_names & (settings | PLACES) | internal)]
    for setting in (NODE, *FLEET, *(name for role in roles for name in role["control"])):
        problems += made_of(task_vars, setting, fact_names | {"ansible_facts", "ansible_local"})
    if problems:
        raise AnsibleActionFail("Facts of a host are no settings:\n- " + "\n- ".join(dict.fromkeys(problems)))


def names(task_vars: Mapping[str, Any]) -> set[str]:
    """The names of the facts of this host."""
    # The store itself: what a host names `ansible_facts` takes the place of the variable of that name.
    try:
        store = task_vars["hostvars"]._variable_manager._fact_cache
    except (AttributeError, KeyError):
        fact_names = set(task_vars.get("ansible_facts") or ())
        return fact_names | {"ansible_" + name for name in fact_names}
    try:
        return set(store.get(task_vars["inventory_hostname"]) or ())
    except KeyError:
        return set()


@functools.lru_cache(maxsize=None)
def rules() -> list[dict[str, Any]]:
    """What is known of the settings of all roles of this collection."""
    roles: list[dict[str, Any]] = []
    for path in glob.glob(os.path.join(os.path.dirname(__file__), "../../roles/*/meta/settings.rules.json")):
        with open(path, encoding="utf-8") as file:
            roles.append(json.load(file))
    return roles


def made_of(task_vars: Mapping[str, Any], setting: str, fact_names: Collection[str]) -> list[str]:
    """Messages for the facts that a setting is made of, at any depth."""
    texts: list[str] = []
    seen: set[str] = set()
    todo = [setting]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in fact_names:
            texts.append("%s: it is made of %s, which the host itself says; make it of what the inventory has, such as inventory_hostname"
                         % (setting, name))
        todo += referenced(task_vars.get(name))
    return texts


def referenced(value: object) -> list[str]:
    """The names that may be variables in a value with templates."""
    if isinstance(value, dict):
        return [name for item in value.values() for name in referenced(item)]
    if isinstance(value, (list, tuple)):
        return [name for item in value for name in referenced(item)]
    if not isinstance(value, str) or "{" not in value:
        return []
    try:
        tree = Environment().parse(value)
    except TemplateError:
        # With delimiters of its own, or wrong: every word.
        return re.findall(r"[A-Za-z_]\w*", value)
    return ([node.name for node in tree.find_all(nodes.Name)] + [node.attr for node in tree.find_all(nodes.Getattr)]
            + [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)])

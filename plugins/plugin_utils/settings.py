# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's settings, checked on the control node by rules that the build derived from their schema."""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
from collections.abc import Mapping

from ansible.module_utils.parsing.convert_bool import BOOLEANS

try:
    from ansible.template import trust_as_template
except ImportError:

    def trust_as_template(value: str) -> str:
        """Before 2.19 every text can be a template."""
        return value


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

    # What `meta/settings.rules.json` holds, or a part of it.
    Rules = dict[str, Any]


@functools.lru_cache(maxsize=None)
def of_role(role: str) -> Rules:
    """The rules of the role in a directory."""
    return read(os.path.join(role, "meta", "settings.rules.json"))


def named(rules: Rules, name: str) -> str:
    """What a role calls a variable that is not for users: `_PREFIX_NAME`."""
    return "_%s%s" % (rules["prefix"], name)


def values(all_rules: Iterable[Rules], task_vars: Mapping[str, Any], template: Callable[[str], Any]) -> dict[str, Any]:
    """The settings as they are where they are used, whatever they are made of."""
    def used(name: str) -> Any:
        if name in task_vars and is_plain(task_vars[name]):
            return task_vars[name]
        return template(trust_as_template("{{ %s }}" % name))

    return {name: used(name) for rules in all_rules for name in rules["settings"]}


def is_plain(value: object) -> bool:
    """Whether Ansible makes nothing else of a value where it is used. Most settings are so, and each that is rendered takes its time."""
    if isinstance(value, str):
        # Before 2.19 a text that looks like a list, a mapping or a boolean becomes one.
        return not ("{" in value or value.startswith(("[", "#jinja2:")) or value in ("True", "False"))
    return isinstance(value, (bool, int, float)) or (isinstance(value, list) and all(map(is_plain, value)))


def problems(all_rules: Iterable[Rules], given: Mapping[str, Any], names: Collection[str], warn: Callable[[str], object]) -> list[str]:
    """What is wrong with the settings of roles, each by itself. `given`: their values; `names`: of all variables that there are."""
    messages: list[str] = []
    for rules in all_rules:
        slips, doubtful = misspelt(names, rules)
        messages += slips
        for doubt in doubtful:
            warn(doubt)
        for name, rule in rules["settings"].items():
            messages += check(name, given[name], rule)
    return messages


def between(together: Iterable[Mapping[str, Any]]) -> list[str]:
    """What does not hold between settings, which can only be asked of settings that are each right."""
    return [condition["message"] for condition in together if condition["that"] not in (True, "True")]


def together(rules: Iterable[Rules], variables: Mapping[str, Any], template: Callable[[Any], Any]) -> list[str]:
    """What does not hold between the settings of these rules, all of which are right by themselves, as the variables of the roles say."""
    return between([condition for role in rules for condition in template(variables.get(named(role, "together"), []))])


def refusal(messages: list[str]) -> dict[str, Any]:
    """The result of a task whose settings are wrong."""
    return {"failed": True, "problems": messages, "msg": "The settings are not usable:\n- " + "\n- ".join(messages)}


def read(path: str) -> Rules:
    """The rules of a role's settings."""
    with open(path, encoding="utf-8") as file:
        rules: Rules = json.load(file)
    return rules


def misspelt(given: Collection[str], rules: Rules) -> tuple[list[str], list[str]]:
    """Problems and warnings for the names in `given` that a setting had once, or that are like a setting's and are none.

    Other collections have roles of the same prefix, and a name that is like one of ours may be theirs: only what is plainly ours, misspelt,
    is a problem.
    """
    settings, renamed = rules["settings"], rules.get("renamed", {})
    problems = ["%s: this setting is called %s now. Rename it." % (name, renamed[name]) for name in sorted(set(given) & set(renamed))]
    warnings = []
    for name in sorted(set(given) - set(settings) - set(renamed) - set(rules.get("others", []))):
        close = difflib.get_close_matches(name, settings, n=1, cutoff=0.8) if name.startswith(rules["prefix"]) else []
        if close and is_slip(name, close[0]):
            problems.append("%s: there is no such setting. Did you mean %s?" % (name, close[0]))
        elif close:
            warnings.append("%s: rootless.backup.%s has no such setting, and leaves it alone. "
                            "If it is not for another role: did you mean %s?"
                            % (name, rules["prefix"].rstrip("_"), close[0]))
    return problems, warnings


def is_slip(name: str, setting: str) -> bool:
    """Whether a name is a setting's with one word that is none: a letter within it is missing, too many, another one, or
    in the place of the next. Words that begin or end otherwise are words, such as a plural, and somebody else's setting may have them.
    """
    apart = [(word, other) for word, other in zip(name.split("_"), setting.split("_")) if word != other]
    if name.count("_") != setting.count("_") or len(apart) != 1:
        return False
    wrong, right = apart[0]
    if min(len(wrong), len(right)) < 4 or wrong[0] != right[0] or wrong[-2:] != right[-2:]:
        return False
    spellings: set[str] = set()
    for i in range(len(right)):
        spellings |= {right[:i] + right[i + 1:], right[:i] + right[i:i + 2][::-1] + right[i + 2:]}
        spellings |= {right[:i] + letter + right[i + skip:] for letter in wrong for skip in (0, 1)}
    return wrong in spellings


def check(name: str, value: object, rule: Rules) -> list[str]:
    """Messages for what is wrong with `value`, and with what it holds."""
    if "alternative" in rule and isinstance(value, Mapping):
        return check(name, value, rule["alternative"])
    kind = rule["type"]
    if kind == "array":
        if not isinstance(value, (list, tuple)) or len(value) < rule.get("minItems", 0):
            return [message(name, value, rule)]
        return [problem for i, item in enumerate(value) for problem in check("%s[%d]" % (name, i), item, rule["items"])]
    if kind == "object":
        if not isinstance(value, Mapping):
            return [message(name, value, rule)]
        properties = rule["properties"]
        problems = ["%s.%s: it is missing. Use %s." % (name, key, properties[key]["allowed"])
                    for key in rule.get("required", []) if key not in value]
        for key in value:
            if key in properties:
                problems += check("%s.%s" % (name, key), value[key], properties[key])
            else:
                close = difflib.get_close_matches(str(key), properties, n=1)
                problems.append("%s.%s: there is no such key. %s" % (
                    name, key, "Did you mean %s?" % close[0] if close else "Use one of %s." % ", ".join(properties)))
        return problems
    return [] if fits(value, rule) else [message(name, value, rule)]


def fits(value: object, rule: Rules) -> bool:
    kind = rule["type"]
    # Templated numbers and booleans are strings on ansible-core < 2.19.
    text = value if isinstance(value, str) else str(value)
    if kind == "boolean":
        return isinstance(value, bool) or (isinstance(value, str) and value.lower() in BOOLEANS)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    if kind == "integer":
        return bool(re.fullmatch("-?[0-9]{1,18}", text)) and rule["minimum"] <= int(text) <= rule["maximum"]
    return "pattern" not in rule or bool(re.fullmatch(rule["pattern"], text))


def message(name: str, value: object, rule: Rules) -> str:
    shown = "the value (a secret, not shown)" if rule.get("secret") else json.dumps(value, default=str)
    return "%s: %s is not allowed. Use %s." % (name, shown, rule["allowed"])

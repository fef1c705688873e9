# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers, met on the control node: known keys and types, names that the plan has, bounded and printable texts.

The host is not trusted: whoever is root there decides what comes back. So nothing of an answer is passed on as it came, and nothing of
it becomes a path, a variable or a template.
"""

from __future__ import annotations

import re
import unicodedata

from ansible.utils.unsafe_proxy import wrap_var

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

MOST_TEXT = 64 << 10
MOST_DIFF = 4 << 20
MOST_LINES = 10_000
# As in the module `untrusted` on the hosts: what could move a terminal, or forge a line.
MOVING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
INTERPRETER = re.compile(r"/[A-Za-z0-9._/+-]{1,200}")


def text(value: object, most: int = MOST_TEXT) -> str:
    """A text of the host, with its lines, in which the rest that could move a terminal is an escape."""
    if not isinstance(value, str):
        return ""
    cut = value[:most] + ("\n(cut)" if len(value) > most else "")
    return str("".join(
        character if character in "\n\t" or unicodedata.category(character) not in MOVING
        else character.encode("unicode_escape", "surrogatepass").decode("ascii") for character in cut))


def line(value: object, most: int = 4096) -> str:
    """A text of the host on one line."""
    return text(value, most).replace("\n", "\\n").replace("\t", "\\t")


def lines(value: object, most: int = MOST_LINES) -> list[str]:
    """A list of texts of the host, each on one line."""
    return [line(item) for item in value[:most] if isinstance(item, str)] if isinstance(value, list) else []


def members(value: object, known: Iterable[str]) -> list[str]:
    """Those of `known` that the host named: the words are ours, the host only chooses among them."""
    named = {str(item) for item in value if isinstance(item, str)} if isinstance(value, list) else set()
    return [name for name in known if name in named]


def failure(answer: Mapping[str, Any]) -> str:
    """What a host that failed said, for people."""
    parts = [text(answer.get(key), 16 << 10).strip() for key in ("msg", "module_stderr", "module_stdout")]
    return "\n".join(part for part in parts if part) or "the host says that it failed, and not why"


def unsafe(result: Any) -> Any:
    """A result that ansible-core takes for data, whatever is in it (before 2.19 every text that is not marked can be a template)."""
    return wrap_var(result)


def interpreter(action: Any) -> dict[str, Any]:
    """What ansible-core found out about the host's Python, so that it need not look again at the next task."""
    key, path = action._discovered_interpreter_key, action._discovered_interpreter
    if not (key and re.fullmatch("discovered_interpreter_[a-z]+", key) and isinstance(path, str) and INTERPRETER.fullmatch(path)):
        return {}
    return {"ansible_facts": {str(key): str(path)}}


def of_transaction(answer: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a transaction, made of its answer and of what its plan names."""
    if answer.get("failed") or not isinstance(answer.get("changed"), bool):
        result: dict[str, Any] = {"failed": True, "changed": answer.get("changed") is True, "msg": failure(answer)}
    else:
        result = {"changed": answer["changed"]}
    starts = plan.get("start", [])
    units = [starter["unit"] for starter in [*starts, *plan.get("handover", {}).values()]]
    result["started"] = members(answer.get("started"), units)
    result["created"] = members(answer.get("created"), [path for starter in starts for path in starter["creates"]])
    # Shown to people only: what an earlier version laid down is not in the plan.
    result["paths"] = lines(answer.get("paths"))
    result["diff"] = diffs(answer.get("diff"))
    warnings = lines(answer.get("told"), 100)
    if warnings:
        result["warnings"] = warnings
    exposure = answer.get("exposure")
    if plan.get("exposure") and isinstance(exposure, (int, float)) and not isinstance(exposure, bool) and 0 <= exposure <= 10:
        result["exposure"] = float(exposure)
    return result


def diffs(value: object) -> list[dict[str, str]]:
    """The diffs of files, as far as they are worth reading."""
    cleaned: list[dict[str, str]] = []
    room = MOST_DIFF
    for diff in value[:MOST_LINES] if isinstance(value, list) else []:
        if not isinstance(diff, dict):
            continue
        made = {"before_header": line(diff.get("before_header")), "after_header": line(diff.get("after_header")),
                "before": text(diff.get("before"), min(room, 1 << 20)), "after": text(diff.get("after"), min(room, 1 << 20))}
        room -= len(made["before"]) + len(made["after"])
        cleaned.append(made)
        if room <= 0:
            break
    return cleaned

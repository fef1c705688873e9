# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan on its way to the host's side of the transaction.

The package that the programs share is most of it, and seldom differs. So first only checksums of it are said, and what is in it follows if
the host asks.
"""

from __future__ import annotations

import hashlib
import json

from ansible_collections.rootless.backup.plugins.plugin_utils import package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def run(action: Any, plan: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """What the host answers, as it said it: nothing of it may be passed on as it is."""
    response = call(action, brief(plan), task_vars)
    return call(action, plan, task_vars) if response.get("wants") is True else response


def call(action: Any, plan: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """One call of the module."""
    # A string, because the host's journal would show what a dict holds.
    response: dict[str, Any] = action._execute_module(
        module_name="rootless.backup.transaction", module_args={"plan": json.dumps(plan)}, task_vars=task_vars)
    return response


def brief(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with a checksum of each module of the package in place of what is in it."""
    return dict(plan, files=[by_checksum(file) if file["path"].startswith(package.PLACE) else file for file in plan["files"]])


def by_checksum(file: Mapping[str, Any]) -> dict[str, Any]:
    """A file of a plan, which the host can only compare."""
    rest = {key: value for key, value in file.items() if key != "content"}
    return dict(rest, sha256=hashlib.sha256(file["content"].encode()).hexdigest())

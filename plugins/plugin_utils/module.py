# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of Ansible's own, run on the host by an action of this collection."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def run(action: Any, name: str, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """What the module answers, as the host said it: nothing of it may be passed on as it is."""
    task = action._task.copy()
    task.args = dict(args)
    # Some modules have a part that runs here, such as that of `copy`, which sends the file.
    here = action._shared_loader_obj.action_loader.get(
        name, task=task, connection=action._connection, play_context=action._play_context, loader=action._loader, templar=action._templar,
        shared_loader_obj=action._shared_loader_obj)
    response: dict[str, Any] = (action._execute_module(module_name=name, module_args=dict(args), task_vars=task_vars) if here is None
                                else here.run(task_vars=task_vars))
    return response

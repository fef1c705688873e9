# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""How the administrator wants to be told."""

from __future__ import annotations

import os

from rootless_backup import host, untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTINGS = host.SETTINGS_DIRECTORY + "/report.json"


def read() -> dict[str, Any]:
    """What is set. Of what cannot be read root gets mail: that is what every host can do."""
    usual = {
        "host": os.uname().nodename,
        "mail_to": ["root"],
        "mail_from": "",
        "smtp": False,
        "url": False,
        "command": [],
        "success": "never",
        "alert_after": 0,
    }
    try:
        settings = untrusted.read_json(SETTINGS)
        if not isinstance(settings, dict) or not usual.keys() <= settings.keys():
            raise untrusted.Untrustworthy("%s lacks a setting" % SETTINGS)
        return settings
    except (OSError, untrusted.Untrustworthy) as trouble:
        return {**usual, "trouble": "The settings of reports could not be read, so root gets this: %s" % trouble}

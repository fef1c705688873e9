# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail from the control node, through its sendmail(8) or a server by msmtp(1)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from email import policy
from email.message import EmailMessage
from email.utils import formatdate

from ansible.errors import AnsibleActionFail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# As in src/schema/backup.ts.
ADDRESS = re.compile(r'[A-Za-z0-9_][^\x00-\x20\x7f<>,;"]*')
# In seconds.
TIMEOUT = 120


def read(args: Mapping[str, Any]) -> dict[str, Any]:
    """Who gets mail, and how. AnsibleActionFail: an option is wrong."""
    recipients = args.get("mail_to") or []
    to = [str(recipient) for recipient in ([recipients] if isinstance(recipients, str) else recipients)]
    sender = str(args.get("mail_from") or "")
    for name, address in [*(("mail_to", recipient) for recipient in to), *([("mail_from", sender)] if sender else [])]:
        if not ADDRESS.fullmatch(address):
            raise AnsibleActionFail("%s: %r is not allowed. Use a mail address or the name of a user." % (name, address))
    return {"to": to, "from": sender, "smtp": str(args.get("mail_smtp") or "")}


def send(letter: Mapping[str, Any], subject: str, text: str) -> str:
    """Send it to whom `read` found. Return what kept it from being sent, or nothing."""
    if not letter["to"]:
        return ""
    message = EmailMessage(policy=policy.SMTP.clone(linesep="\n"))
    message["To"] = ", ".join(letter["to"])
    message["Subject"] = re.sub(r"\s+", " ", subject)
    message["Date"] = formatdate()
    message["Auto-Submitted"] = "auto-generated"
    if letter["from"]:
        message["From"] = letter["from"]
    message.set_content(text)
    sender = ["-f", letter["from"]] if letter["from"] else []
    try:
        # msmtp reads its settings from a file, which nobody else may read.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="msmtprc.") as settings:
            settings.write(letter["smtp"].rstrip("\n") + "\n")
            settings.flush()
            program = ["msmtp", "--file=" + settings.name] if letter["smtp"] else [sendmail(), "-oi"]
            subprocess.run([*program, *sender, "--", *letter["to"]], input=message.as_bytes(), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=TIMEOUT, check=True)
        return ""
    except subprocess.CalledProcessError as trouble:
        output = trouble.stderr.decode(errors="backslashreplace").strip()
        return "%s failed with exit code %d: %s" % (program[0], trouble.returncode, output)
    except (OSError, subprocess.SubprocessError, ValueError) as trouble:
        return str(trouble)


def sendmail() -> str:
    """Where it is: often not in the path of an ordinary user."""
    return shutil.which("sendmail", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib") or "/usr/sbin/sendmail"

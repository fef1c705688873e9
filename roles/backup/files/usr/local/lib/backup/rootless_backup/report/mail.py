# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A report by mail, through the host's sendmail(8) or a server by msmtp(1)."""

from __future__ import annotations

import os
import quopri
import re
import subprocess
import time
from email.header import Header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# In seconds.
TIMEOUT = 120


def send_mail(settings: dict[str, Any], subject: str, text: str) -> None:
    body = text.encode(errors="backslashreplace")
    # Readable as it lies in the mailbox, unless a line is longer than mail may hold. See RFC 5322, 2.1.1.
    encoding = "8bit" if max(map(len, body.split(b"\n"))) < 990 else "quoted-printable"
    if encoding != "8bit":
        body = quopri.encodestring(body)
    headers = {
        "To": ", ".join(settings["mail_to"]),
        "Subject": header(subject),
        "Date": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": encoding,
    }
    if settings["mail_from"]:
        headers["From"] = settings["mail_from"]
    mail = "".join("%s: %s\n" % field for field in headers.items()).encode() + b"\n" + body
    sender = ["-f", settings["mail_from"]] if settings["mail_from"] else []
    if settings["smtp"]:
        program = ["msmtp", "--file=" + os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "report.msmtprc")]
    else:
        program = ["/usr/sbin/sendmail", "-oi"]
    subprocess.run(
        [*program, *sender, "--", *settings["mail_to"]],
        input=mail,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=TIMEOUT,
        check=True,
    )


def header(text: str) -> str:
    return Header(re.sub(r"\s", " ", text), "us-ascii" if text.isascii() else "utf-8", maxlinelen=900).encode()

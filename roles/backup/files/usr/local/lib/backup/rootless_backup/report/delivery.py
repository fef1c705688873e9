# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The ways by which a report goes out: mail, the administrator's command, a URL."""

from __future__ import annotations

import os
import subprocess

from rootless_backup import untrusted
from rootless_backup.report.log import LOG_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# In seconds, for a URL; a program has four times as long.
TIMEOUT = 30


def tell(settings: dict[str, Any], subject: str, text: str, unit: str, ok: bool) -> bool:
    """By mail and by the administrator's command. Return whether each of them worked."""
    subject, text = untrusted.printable(" ".join(subject.split())), untrusted.printable_lines(text)
    delivered = True
    if settings["mail_to"]:
        delivered = attempt("mail", mail, settings, subject, text) and delivered
    if settings["command"]:
        delivered = attempt("the command", run_command, settings, subject, text, unit, ok) and delivered
    return delivered


def attempt(what: str, action: Callable[..., object], *arguments: object) -> bool:
    """One way out must not close another. Return whether it worked."""
    try:
        action(*arguments)
        return True
    except Exception as trouble:  # told here, and by the failure of this unit
        output = (getattr(trouble, "stderr", None) or b"").decode(errors="backslashreplace").strip()
        untrusted.tell(3, "The report was not delivered by %s: %s" % (what, untrusted.printable("%s %s" % (trouble, output))))
        return False


def mail(settings: dict[str, Any], subject: str, text: str) -> None:
    # Late, as what opens a URL: both take longer to import than all else.
    from rootless_backup.report.mail import send_mail

    send_mail(settings, subject, text)


def run_command(settings: dict[str, Any], subject: str, text: str, unit: str, ok: bool) -> None:
    env = dict(os.environ, BACKUP_RESULT="success" if ok else "failure", BACKUP_UNIT=unit, BACKUP_SUBJECT=subject)
    subprocess.run(
        settings["command"], input=text.encode(errors="backslashreplace"), env=env, stderr=subprocess.PIPE, timeout=4 * TIMEOUT, check=True
    )


def call_url(settings: dict[str, Any], path: str, text: str) -> None:
    if not settings["url"]:
        return
    import urllib.request

    with open(os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "report.url"), encoding="utf-8") as file:
        url = file.read().strip().rstrip("/")
    try:
        with urllib.request.urlopen(url + path, data=text.encode(errors="backslashreplace")[-LOG_BYTES:], timeout=TIMEOUT):
            pass
    except OSError as trouble:
        # The URL is a secret: only what went wrong is told.
        raise RuntimeError(str(getattr(trouble, "reason", trouble)).replace(url, "(the URL)")) from None

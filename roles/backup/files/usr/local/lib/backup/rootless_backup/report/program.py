# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Tell the administrator how backups go, for backup-report@.service and backup-watch.service.

usage: backup-report ended UNIT:success|failure|begun      UNIT.service has ended so, or begun
       backup-report watch                                 there may be no good backup for too long

It keeps what it knows in /var/lib/backup-report: status.json for `backupctl status`, backup.prom for Prometheus.
The result of the backup is settled before it starts; its own failures are its own.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time

from rootless_backup import host, systemd, untrusted
from rootless_backup.figures import DAY
from rootless_backup.report import settings as administrator
from rootless_backup.report import text, verdict
from rootless_backup.report.delivery import attempt, call_url, tell
from rootless_backup.report.run import read_run
from rootless_backup.report.state import STATE, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    os.umask(0o077)
    actions = {("ended", 3): lambda settings: ended(settings, sys.argv[2]), ("watch", 2): watch}
    action = actions.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv)))
    if action is None:
        untrusted.die("usage: backup-report ended UNIT:END | watch")
    settings = administrator.read()
    # Two of them can be due at the same time. Whatever has become of the lock, they are told.
    try:
        lock = os.open(STATE + "/lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as trouble:
        untrusted.tell(4, "Another report may be at work at the same time: %s" % trouble)
    sys.exit(0 if action(settings) else 1)


def ended(settings: dict[str, Any], what: str) -> bool:
    """Report and record how a unit ended. Return whether everybody who is to be told was told, and all is recorded."""
    name, _colon, end = what.partition(":")
    if end == "begun":
        return attempt("the URL", call_url, settings, "/start", "")
    # The journal may still be taking in what was said last.
    time.sleep(0.5)
    result = os.environ.get("MONITOR_SERVICE_RESULT", end)
    # Told first, recorded second: what keeps it from being recorded, such as a full disk, must not keep it from being told.
    try:
        state = State()
        run = read_run(name, result, os.environ.get("MONITOR_INVOCATION_ID", ""))
        run.troubles += filter(None, (settings.get("trouble"), state.trouble))
        run.troubles += state.take_room(run)
        before = state.of(name)
        repeated = state.is_repeated(run)
        now = state.record(run)
        bad = result != "success" or run.optional_failures or run.troubles
        again = result == "success" and before.get("failures", 0) > 0
        wanted = (bad and not repeated) or again or (name == "backup" and due(settings["success"], state))
        subject = "backup of %s: %s" % (settings["host"], text.headline(run, before))
        body = text.summary(run, now, settings) + "\n" + run.log
    except Exception as trouble:  # whatever it is, the report goes out
        state, bad, wanted = None, True, True
        subject, body = text.bare(settings, name, result, trouble)
    ok = result == "success"
    delivered = not wanted or tell(settings, subject, body, name, ok)
    # A switch that waits for life signs gets each one of the backup; of a server what is told, so also that all is well again.
    if name == "backup" or (name == host.REPOSITORY_WATCH and wanted):
        delivered = attempt("the URL", call_url, settings, "" if ok else "/fail", body) and delivered
    if state is not None and wanted and delivered:
        if not bad:
            state.told_success()
        elif name == host.REPOSITORY_WATCH:
            state.told_of(run)
    unkept = "" if state is None else state.keep(settings)
    if unkept:
        tell(settings, *text.unrecorded(settings, name, result, STATE, unkept), name, False)
    return delivered and unkept == "" and state is not None


def watch(settings: dict[str, Any]) -> bool:
    """Report, once a day, that the last good backup is too old. Return whether all went well."""
    try:
        state = State()
        good = verdict.last_good(state.of("backup"))
        now = time.time()
        timer, service = (systemd.show_or_nothing("backup." + kind, *verdict.PROPERTIES) for kind in ("timer", "service"))
        problem = verdict.missing(good, now, settings["alert_after"], timer, service)
        if problem is None:
            return state.keep(settings) == ""
        told_at = state.alerted()
        if 0 <= now - told_at < DAY:
            return state.keep(settings) == ""
        subject, body = text.missing(settings, problem, good, (timer, service), state.trouble)
    except Exception as trouble:  # whatever it is, silence would be taken for a good backup
        state = None
        subject, body = text.bare(settings, host.WATCH, "it could not find out how old the last good backup is", trouble)
    delivered = tell(settings, subject, body, "watch", False)
    delivered = attempt("the URL", call_url, settings, "/fail", body) and delivered
    if delivered and state is not None:
        state.set_alerted(now)
    return state is not None and state.keep(settings) == "" and delivered


def due(policy: str, state: State) -> bool:
    return policy == "always" or (policy == "weekly" and not 0 <= time.time() - state.last_success_told() < 7 * DAY - 3600)

# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""What is wrong with the repositories, and what can be done about it: the same words in a mail and in `repositoryctl status`."""

from __future__ import annotations

import os

from rootless_backup import host
from rootless_backup.figures import DAY, ago, size, stamp
from rootless_backup.records import room
from rootless_backup.report.verdict import Problem
from rootless_backup.repository import checking, keeping, seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.repository.accounts import Account, Told
    from rootless_backup.repository.seen import Seen

# A repository is told of that lost more than this part of what it had within so many days, and one that takes more than this part of
# what it may.
SHRUNK, WITHIN, NEARLY = 1 / 3, 7, 0.9
# And one that grew within a day by so many times what it grew on any day of the month, if that is so many days and bytes, and a part.
UNLIKE, KNOWN_AFTER, MUCH, PART = 5, 7, 1e9, 0.05
# Below it nothing is told of a size: it is too little to be anything.
LITTLE = 1e6
# In seconds; it is looked every quarter of an hour, and a first look can take long.
UNSEEN = 7 * 3600


def problems(config: Told, now: float) -> list[tuple[str, Problem]]:
    """All that is wrong, each with the name of its machine, or none."""
    troubles = [("", problem) for problem in of_server(config, now)]
    for account in config["accounts"]:
        troubles += [(account["name"], problem) for problem in of_machine(account, seen.read(account), config, now)]
    return troubles


def of_server(config: Told, now: float) -> Iterator[Problem]:
    """What is wrong with the server itself."""
    if not config["accounts"]:
        return
    samples = seen.disk()
    if not samples or now - samples[-1][0] > UNSEEN:
        since = "since %s" % stamp(samples[-1][0]) if samples else "yet"
        yield Problem(
            "nothing of what is deleted was kept %s." % since,
            ["Run `systemctl start {0}`; `journalctl -u {0}`.".format(host.REPOSITORY_KEEP)],
        )
    if samples:
        path = os.path.dirname(config["accounts"][0]["home"])
        for line in room.warnings({path: samples}):
            yield Problem(line + ".", ["Make it larger, or let less be kept: `repositoryctl status` shows who takes how much."])


def of_machine(account: Account, state: Seen | None, config: Told, now: float) -> Iterator[Problem]:
    """What is wrong with the repository of a machine."""
    if state is None:
        return
    kept = "`repositoryctl list %s` shows what is kept of it." % account["name"]
    for line in state["troubles"]:
        yield Problem("%s: %s" % (account["name"], line), ["`journalctl -u %s` says more; %s" % (host.REPOSITORY_KEEP, kept)])
    if state["refused"]:
        yield Problem(
            "%s: %s" % (account["name"], state["refused"]),
            [
                "Allow more (repository_most), or wait until enough of what it deleted has expired. Find out on it what deletes so much. "
                + kept
            ],
        )
    if account["line"]:
        yield from silence(account, state, now)
    yield from sizes(account, state, config, now)
    damage = checking.damage(account)
    if damage:
        yield Problem(
            "%s: %s" % (account["name"], damage),
            ["On it: `backupctl check`. `repositoryctl list %s` shows what was kept." % account["name"]],
        )


def silence(account: Account, state: Seen, now: float) -> Iterator[Problem]:
    """That a machine saved nothing for too long."""
    last = state["changed"] or state["since"]
    # Of a time to come: the clock was set back, so the age is not known, and not trusted.
    if not account["alert_after"] or -DAY < now - last < account["alert_after"] * 3600:
        return
    detail = "last %s, %s" % (stamp(last), ago(now - last)) if state["changed"] else "nor ever since %s" % stamp(last)
    yield Problem(
        "%s: saved nothing for longer than %d hours, %s." % (account["name"], account["alert_after"], detail),
        [
            "On it: `backupctl status`. If it is to save no more: repository_clients: [{name: %s, state: absent}]; if it is often off: "
            "{name: %s, alert_after: 0}." % (account["name"], account["name"])
        ],
    )


def sizes(account: Account, state: Seen, config: Told, now: float) -> Iterator[Problem]:
    """That a repository shrank or grew unlike itself, or has little room left."""
    look = "If nobody meant that: `repositoryctl list %s`, and `repositoryctl restore %s --at TIME`." % (account["name"], account["name"])
    live, most = state["live"], max((had for when, had, _held in state["samples"] if now - when < WITHIN * DAY), default=0)
    if most > LITTLE and live < most * (1 - SHRUNK):
        yield Problem("%s: its repository shrank from %s to %s within %d days." % (account["name"], size(most), size(live), WITHIN), [look])
    grown = growth(state)
    if grown:
        text = "%s: its repository grew by %s within a day, %d times as much as on any day before." % (
            account["name"],
            size(grown[0]),
            grown[1],
        )
        yield Problem(text, ["Find out on it what is new: `backupctl status`."])
    for taken, allowed, name in ((live, account["quota"], "repository_quota"), (live + state["held"], config["most"], "repository_most")):
        limit = keeping.size_of(allowed)
        if limit and NEARLY * limit < taken <= limit:
            yield Problem(
                "%s: it takes %s of %s (%s)." % (account["name"], size(taken), allowed, name), ["Allow more, or have it keep less."]
            )


def growth(state: Seen) -> tuple[float, float] | None:
    """By how many bytes a repository grew within a day, and how many times as much as on any other; None: as ever, or unknown.

    What came while the server was off came in as many days, and says nothing of the last one. A day of little counts as the most of which
    nothing is told: of nothing no number is a multiple.
    """
    totals = [(when, live + held) for when, live, held in state["samples"]]
    days = [max(0.0, (now - then) / max(1.0, (at - before) / DAY)) for (before, then), (at, now) in zip(totals, totals[1:])]
    if len(days) < KNOWN_AFTER or totals[-1][0] - totals[-2][0] > 2 * DAY:
        return None
    usual = max(*days[:-1], MUCH / UNLIKE)
    if days[-1] > UNLIKE * usual and days[-1] > PART * totals[-2][1]:
        return days[-1], days[-1] / usual
    return None

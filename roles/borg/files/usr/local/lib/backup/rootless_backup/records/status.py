# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What is known of the runs: status.json, which the report keeps and backupctl shows, and the form of what is in it.

What does not have the form counts as not there, and who finds it says so: a record that a host, Borg or a full disk spoiled must neither
end a report nor pass for a good one.
"""

from rootless_backup import untrusted

STATUS = "/var/lib/backup-report/status.json"
# Of whom nobody has so many, or one so long.
MOST = 100_000
LONGEST = 10_000


def text(value):
    return isinstance(value, str) and len(value) <= LONGEST


def number(value):
    """Not NaN, nor infinite, nor so large that nothing can be reckoned with it."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e18


def span(value):
    """Of a run in which the clock was set back it is negative."""
    return number(abs(value)) if isinstance(value, (int, float)) else False


def when(value):
    """Seconds since 1970, of a year with four digits."""
    return number(value) and value < 2.5e11


def flag(value):
    return isinstance(value, bool)


def many(form):
    return lambda value: isinstance(value, list) and len(value) <= MOST and all(map(form, value))


def named(form):
    """By names of any kind."""
    return lambda value: isinstance(value, dict) and len(value) <= MOST and all(text(key) and form(each) for key, each in value.items())


def fields(needed, more=()):
    """These keys and no others; those of `more` can be missing."""
    more = dict(more)
    known = {**needed, **more}
    return lambda value: (
        isinstance(value, dict) and needed.keys() <= value.keys() <= known.keys() and all(known[key](each) for key, each in value.items())
    )


def or_none(form):
    return lambda value: value is None or form(value)


ARCHIVE = fields(
    {
        "repository": text,
        "name": text,
        "series": text,
        "files": number,
        "original_size": number,
        "deduplicated_size": number,
        "seconds": span,
    }
)
KEPT = fields({"repository": text, "archives": many(text)})
HOOK = fields({"unit": text, "result": text, "required": flag})
ENTRY = fields(
    {
        "result": text,
        "started": when,
        "finished": when,
        "last_good": or_none(when),
        "failing_since": or_none(when),
        "failures": number,
        "failed": many(text),
        "lesser": many(text),
        "warnings": many(text),
        "archives": many(ARCHIVE),
        "hooks": many(HOOK),
    },
    {"invocation": text, "troubles": many(text)},
)
KNOWN = fields({}, {"units": named(ENTRY), "repositories": named(many(text)), "alerted": when, "success_told": when, "host": text})


def checked(form, content, what):
    """What JSON says, if it has the form. Untrustworthy: it has not."""
    found = untrusted.parse_json(content)
    if not form(found):
        raise untrusted.Untrustworthy("%s does not have the form of one" % what)
    return found


def read():
    """What is known. FileNotFoundError: nothing yet. Untrustworthy, OSError: it cannot be read."""
    return checked(KNOWN, untrusted.read_plain(STATUS), STATUS)

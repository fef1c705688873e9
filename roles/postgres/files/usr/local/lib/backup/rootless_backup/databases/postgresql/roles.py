# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Roles and tablespaces of a cluster, which no dump of a database holds."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess

from rootless_backup import untrusted
from rootless_backup.databases.base import shown
from rootless_backup.databases.postgresql.client import query
from rootless_backup.databases.postgresql.script import Script, Unread

# What pg_dumpall writes begins so.
GLOBAL = re.compile(
    rb"(?:(?:CREATE|ALTER|DROP|COMMENT ON|SECURITY LABEL FOR \S+ ON) (?:ROLE|TABLESPACE)|GRANT|REVOKE"
    rb"|SET (?:default_transaction_read_only|client_encoding|standard_conforming_strings|escape_string_warning)) "
)
PLACE = re.compile(rb"\A(CREATE TABLESPACE .* LOCATION )'(?:[^']|'')*';\Z", re.DOTALL)


def load_globals(
    env: dict[str, str], path: str, expected: str = r'role ".*" already exists|tablespace ".*" already exists', within: bool = False
) -> bool:
    """Load roles and tablespaces; what `expected` matches is told only. Return whether nothing else went wrong.

    `within`: tablespaces are made in the server's own directory.
    """
    # In hex: a name may have a line end in it.
    named = query(env, "SELECT encode(textsend(quote_ident(rolname)), 'hex') FROM pg_roles").decode("ascii").split()
    existing = {bytes.fromhex(name) for name in named}
    script = b""
    try:
        with open(path, "rb") as file:
            script_of = Script(file)
            for statement in script_of.statements():
                # psql reads it, to which a word with a backslash, or a colon, may be its own; in quotes it is not.
                known = GLOBAL.match(statement) is not None and not re.search(rb"[\\:]", re.sub(rb"""'[^']*'|"[^"]*\"""", b"", statement))
                if script_of.cut:
                    untrusted.tell(4, "globals: left out, since it is too long: %s" % shown(os.fsdecode(statement[:200])))
                elif not known:
                    untrusted.tell(4, "globals: left out, since pg_dumpall does not write that: %s" % shown(os.fsdecode(statement[:200])))
                elif not changes(statement, existing):
                    script += (PLACE.sub(rb"\1'';", statement) if within else statement) + b"\n"
    except Unread as trouble:
        untrusted.tell(3, "globals: %s" % trouble)
        return False
    command = ["psql", "--no-psqlrc", "--quiet", "--dbname=template1", "--file", "-"]
    run = subprocess.run(command, env=env, input=script, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    errors = re.findall(r"(?:ERROR|FATAL): +(.*)", run.stderr.decode(errors="backslashreplace"))
    errors += [] if run.returncode == 0 else ["psql ended with %d" % run.returncode]
    for error in errors:
        known = re.search(expected, error) is not None
        untrusted.tell(6 if known else 3, "globals: %s%s" % (error, ": left as it is" if known else remedy(error)))
    return all(re.search(expected, error) for error in errors)


def remedy(error: str) -> str:
    """What helps, if it is known."""
    directory = re.fullmatch(r'directory "(.*)" does not exist', error)
    if directory is None:
        return ""
    user = pwd.getpwuid(os.geteuid()).pw_name
    return ". Make it, as the tablespace has it, and restore again: install -d -m 700 -o %s %s" % (user, shlex.quote(directory[1]))


def changes(statement: bytes, roles: set[bytes]) -> bool:
    """Whether a statement only changes roles that are there: they keep passwords, settings and groups, and stay locked if they are."""
    name = rb'("(?:[^"]|"")*"|[^\s"]+)'
    role = re.match(rb"(?:ALTER|COMMENT ON) ROLE %s " % name, statement)
    member = re.match(rb"GRANT %s TO %s[ ;]" % (name, name), statement)
    return (role is not None and role[1] in roles) or (member is not None and {member[1], member[2]} <= roles)

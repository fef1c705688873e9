# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Statements, made of names and values of others."""

from __future__ import annotations

import re

from rootless_backup import untrusted
from rootless_backup.databases.base import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

# The name of a database that is being loaded. None of another kind is called so.
LOADED = re.compile("restoring_[0-9a-f]{16}")
# The name of what was there before, until what takes its place is whole.
REPLACED = re.compile("replaced_[0-9a-f]{16}")
# A setting of a database that is loaded under its own name, until it is whole.
RESTORING = "rootless_backup.restoring"
# The settings whose value is a list of names, each quoted by itself. See variable_is_guc_list_quote in pg_dump's source.
LISTED = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
# What can be granted on a database.
PRIVILEGES = ("CREATE", "CONNECT", "TEMPORARY")
SPACES = " \t\n\r\f\v"


def ending(name: str) -> str:
    """A statement that ends whatever is at work in a database."""
    return "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s" % literal(name)


def swap(new: str, name: str, away: str | None, rights: Iterable[str] = ()) -> Iterator[str]:
    """Statements that give a database its name, and what else it is given with it; the one that has the name gets the name `away`."""
    if new != name:
        # A superuser may be in.
        yield ending(new)
        if away is not None:
            yield "ALTER DATABASE %s ALLOW_CONNECTIONS false" % identifier(name)
            yield ending(name)
    # In one transaction: there is one of this name at any time, and nobody owns it before it is whole.
    yield "BEGIN"
    if new != name:
        if away is not None:
            yield "ALTER DATABASE %s RENAME TO %s" % (identifier(name), identifier(away))
        yield "ALTER DATABASE %s RENAME TO %s" % (identifier(new), identifier(name))
    yield from rights
    yield "COMMIT"


def limit(name: str, most: int) -> str:
    """A statement that lets as many into a database, and superusers."""
    return "ALTER DATABASE %s CONNECTION LIMIT %d" % (identifier(name), most)


def mark(name: str, restoring: bool) -> str:
    """A statement that notes of a database that it is not whole yet, or is: what dumps it then must not take it for what it was."""
    return "ALTER DATABASE %s %s" % (identifier(name), "SET %s = on" % RESTORING if restoring else "RESET %s" % RESTORING)


def settings_of(name: str, properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Statements that give a database the settings of the one that was dumped, which hold while it is loaded; and what takes each back."""
    database = "ALTER DATABASE %s" % identifier(name)
    for option, value in assignments(properties.get("settings") or []):
        yield "%s SET %s = %s" % (database, option, value), "%s RESET %s" % (database, option)
    for role, settings in (properties.get("role_settings") or {}).items():
        statement = "ALTER ROLE %s IN DATABASE %s" % (identifier(role), identifier(name))
        for option, value in assignments(settings):
            yield "%s SET %s = %s" % (statement, option, value), "%s RESET %s" % (statement, option)


def owner_of(name: str, properties: dict[str, Any]) -> Iterator[str]:
    """The statement that gives a database the owner of the one that was dumped, if that is known."""
    if properties.get("owner"):
        yield "ALTER DATABASE %s OWNER TO %s" % (identifier(name), identifier(properties["owner"]))


def rights_of(name: str, properties: dict[str, Any], owned: bool = True) -> Iterator[str]:
    """Statements that give a database the comment and grants of the one that was dumped; `owned`: by its owner, and not yet by us."""
    database = identifier(name)
    if properties.get("comment") is not None:
        yield "COMMENT ON DATABASE %s IS %s" % (database, literal(properties["comment"]))
    if properties.get("grants") is not None:
        yield "REVOKE ALL ON DATABASE %s FROM PUBLIC" % database
        if properties.get("owner"):
            yield "REVOKE ALL ON DATABASE %s FROM %s" % (database, identifier(properties["owner"]) if owned else "SESSION_USER")
        for role, privilege, grantable in properties["grants"]:
            if privilege in PRIVILEGES:
                yield "GRANT %s ON DATABASE %s TO %s%s" % (
                    privilege,
                    database,
                    "PUBLIC" if role is None else identifier(role),
                    " WITH GRANT OPTION" if grantable else "",
                )


def unknown(properties: dict[str, Any]) -> list[str]:
    """What was granted on a database, and is no privilege that is known."""
    return sorted({str(privilege) for _role, privilege, _grantable in properties.get("grants") or []} - {*PRIVILEGES})


def assignments(settings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The two sides of SET for each `name=value` of the catalogue. A role writes them as it likes: none of it is SQL."""
    for setting in settings:
        option, _sign, value = setting.partition("=")
        values: list[str] | None = [value]
        if option.lower() in LISTED:
            values = split_list(value)
            if values is None:
                untrusted.tell(4, "setting %s is left out: the value is no list of names: %s" % (shown(option), shown(value)))
                continue
        yield ".".join(map(identifier, option.split("."))), ", ".join(map(literal, values or [""]))


def split_list(value: str) -> list[str] | None:
    """The names in a list of names. None: it is none. See SplitGUCList in PostgreSQL's source."""
    names = []
    while value.strip(SPACES):
        match = re.match(r"""[ \t\n\r\f\v]*(?:"((?:[^"]|"")*)"|([^\s",]+))[ \t\n\r\f\v]*(,|$)""", value, re.ASCII)
        # Behind a comma there is another one.
        if match is None or (match[3] and not value[match.end() :].strip(SPACES)):
            return None
        names.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        value = value[match.end() :]
    return names


def connection_string(name: str) -> str:
    """What leads a client to a database of any name."""
    return "dbname='%s'" % name.replace("\\", "\\\\").replace("'", "\\'")


def identifier(name: str) -> str:
    return '"%s"' % name.replace('"', '""')


def literal(text: str) -> str:
    """A string of SQL, whatever standard_conforming_strings says."""
    # On one line: it is told too.
    return "E'%s'" % text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")

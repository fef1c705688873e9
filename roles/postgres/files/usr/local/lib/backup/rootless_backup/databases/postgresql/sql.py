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

# The settings whose value is a list of names, each quoted by itself. See variable_is_guc_list_quote in pg_dump's source.
LISTED = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
SPACES = " \t\n\r\f\v"


def ending(name: str) -> str:
    """A statement that ends whatever is at work in a database."""
    return "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s" % literal(name)


def moving(name: str, away: str) -> tuple[str, ...]:
    """Statements that give a database another name, under which it lets nobody in."""
    shut = "ALTER DATABASE %s ALLOW_CONNECTIONS false" % identifier(name)
    return shut, ending(name), "ALTER DATABASE %s RENAME TO %s" % (identifier(name), away)


def moving_back(away: str, name: str) -> tuple[str, ...]:
    """Statements that undo it."""
    renamed = "ALTER DATABASE %s RENAME TO %s" % (away, identifier(name))
    return renamed, "ALTER DATABASE %s ALLOW_CONNECTIONS true" % identifier(name)


def swap(new: str, name: str, away: str | None, limit: int) -> Iterator[str]:
    """Statements that give a database its name, and let in as many as `limit` says; the one that has the name gets the name `away`."""
    opened = "ALTER DATABASE %s CONNECTION LIMIT %d" % (identifier(name), limit)
    if new == name:
        yield opened
        return
    renamed = "ALTER DATABASE %s RENAME TO %s; %s" % (new, identifier(name), opened)
    # A superuser may be in.
    yield ending(new)
    if away is not None:
        yield "ALTER DATABASE %s ALLOW_CONNECTIONS false" % identifier(name)
        yield ending(name)
        # In one transaction: there is one of this name at any time.
        yield "BEGIN; ALTER DATABASE %s RENAME TO %s; %s; COMMIT" % (identifier(name), away, renamed)
    else:
        yield "BEGIN; %s; COMMIT" % renamed


def settings_of(name: str, properties: dict[str, Any]) -> Iterator[str]:
    """Statements that give a database the settings of the one that was dumped. They hold while it is loaded."""
    database = identifier(name)
    for setting in assignments(properties.get("settings") or []):
        yield "ALTER DATABASE %s SET %s" % (database, setting)
    for role, settings in (properties.get("role_settings") or {}).items():
        for setting in assignments(settings):
            yield "ALTER ROLE %s IN DATABASE %s SET %s" % (identifier(role), database, setting)


def rights_of(name: str, properties: dict[str, Any]) -> Iterator[str]:
    """Statements that give a database the owner, comment and grants of the one that was dumped."""
    database = identifier(name)
    if properties.get("owner"):
        yield "ALTER DATABASE %s OWNER TO %s" % (database, identifier(properties["owner"]))
    if properties.get("comment") is not None:
        yield "COMMENT ON DATABASE %s IS %s" % (database, literal(properties["comment"]))
    if properties.get("grants") is not None:
        yield "REVOKE ALL ON DATABASE %s FROM PUBLIC" % database
        if properties.get("owner"):
            yield "REVOKE ALL ON DATABASE %s FROM %s" % (database, identifier(properties["owner"]))
        for role, privilege, grantable in properties["grants"]:
            if privilege not in ("CREATE", "CONNECT", "TEMPORARY"):
                untrusted.tell(4, "what is granted on database %s as %s is left out: it is not known" % (shown(name), shown(privilege)))
                continue
            yield "GRANT %s ON DATABASE %s TO %s%s" % (
                privilege,
                database,
                "PUBLIC" if role is None else identifier(role),
                " WITH GRANT OPTION" if grantable else "",
            )


def assignments(settings: Iterable[str]) -> Iterator[str]:
    """Of `name=value` each, as the catalogue has it, what stands behind SET. A role makes them as it likes: none of it is SQL."""
    for setting in settings:
        option, _sign, value = setting.partition("=")
        values: list[str] | None = [value]
        if option.lower() in LISTED:
            values = split_list(value)
            if values is None:
                untrusted.tell(4, "setting %s is left out: the value is no list of names: %s" % (shown(option), shown(value)))
                continue
        yield "%s = %s" % (".".join(map(identifier, option.split("."))), ", ".join(map(literal, values or [""])))


def split_list(value: str) -> list[str] | None:
    """The names in a list of names. None: it is none. See SplitGUCList in PostgreSQL's source."""
    names = []
    while value.strip(SPACES):
        found = re.match(r"""[ \t\n\r\f\v]*(?:"((?:[^"]|"")*)"|([^\s",]+))[ \t\n\r\f\v]*(,|$)""", value, re.ASCII)
        # Behind a comma there is another one.
        if found is None or (found[3] and not value[found.end() :].strip(SPACES)):
            return None
        names.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        value = value[found.end() :]
    return names


def connection_string(name: str) -> str:
    """What leads a client to a database of any name."""
    return "dbname='%s'" % name.replace("\\", "\\\\").replace("'", "\\'")


def identifier(name: str) -> str:
    return '"%s"' % name.replace('"', '""')


def literal(text: str) -> str:
    """A string of SQL, whatever standard_conforming_strings says."""
    return "E'%s'" % text.replace("\\", "\\\\").replace("'", "''")

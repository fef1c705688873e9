# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""A dump is loaded into a database that is made for it."""

from __future__ import annotations

import contextlib
import locale
import os
import re
import subprocess
import tempfile

from rootless_backup import untrusted
from rootless_backup.databases import stop
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.postgresql import client, failures, sql
from rootless_backup.databases.postgresql.client import output, query
from rootless_backup.databases.postgresql.failures import EMPTY, SETTING, TABLESPACE, Failure
from rootless_backup.databases.postgresql.sql import identifier, literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.databases.postgresql.client import Properties
    from rootless_backup.records.manifest import Entry

JOBS = min(4, os.cpu_count() or 1)
# The statement that gives a database its name waits for the disk, for all that came before it too; and several tables are loaded at once,
# so that only an index of a large one is worth workers of its own.
LOADING = " -c synchronous_commit=off -c min_parallel_table_scan_size=256MB -c maintenance_work_mem=%dkB"
# What an index is made in, in kB: what PostgreSQL comes with, and instead of it a thirty-second of the memory, shared by those that are
# made at once. A server that has another value has a reason.
GIVEN = 64 << 10
INDEX_MEMORY = min(512 << 10, max(128 << 10, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 32 // JOBS >> 10))
# What the server and its machine have, in hex each: what is asked before a database is made for a dump.
HAS = (
    "SELECT setting || '|' || current_setting('server_version_num')::int / 10000 FROM pg_settings WHERE name = 'maintenance_work_mem'",
    client.MONEY,
    "SELECT encode(textsend(current_setting('shared_preload_libraries')), 'hex')",
    # It reads a file for each: only where the dump has some.
    "SELECT string_agg(encode(textsend(name::text), 'hex'), ' ') FROM pg_available_extensions WHERE %s",
)
# Behind it, what a server refuses is not the database itself.
MADE = "SELECT 'made', encode(textsend(to_jsonb(d) ->> 'datcollversion'), 'hex') FROM pg_database d WHERE datname = %s"
NO_PLACE = re.compile(rb'tablespace ".*" does not exist')
# What can only be made in a database of a name that the server's own settings say.
BOUND = {"pg_cron"}
BOUND_ERROR = re.compile(r"can only (?:be created|create extension|be installed) in.* database", re.IGNORECASE)


class Dump:
    """A dump on its way into a database: `listed` is its table of contents, a line each."""

    def __init__(self, path: str, entry: Entry, env: dict[str, str], server: dict[str, object] | None = None) -> None:
        """`server`: what the manifest says of the one that it is of."""
        self.path, self.entry, self.env, self.server = path, entry, env, server or {}
        self.listed = output(["pg_restore", "--list", path], env=env).splitlines(keepends=True)
        self.extensions = {*self.names(b"EXTENSION")}
        # What was not loaded.
        self.failures: list[Failure] = []
        # The options of what is read as it was written.
        self.reading = client.READING

    def names(self, kind: bytes) -> Iterator[str]:
        """The names of entries that are of no schema, such as extensions; not of those with an odd owner."""
        for line in self.listed:
            match = re.match(rb"\d+; \d+ \d+ %s - (.*) \S*\n" % kind, line)
            if match:
                yield os.fsdecode(match[1])

    def bound(self) -> bool:
        """Whether there is something in it that can only be made in a database of a certain name."""
        return bool(BOUND & self.extensions) or any(BOUND_ERROR.search(failure.why) for failure in self.failures)

    def make_database(self, name: str) -> dict[str, str]:
        """Make an empty database with the encoding, locale and settings of the one that was dumped. Return the clients' environment."""
        properties = self.entry.get("properties", {})
        try:
            numbers, money, preloaded, available, version = self.made(name, properties)
        except subprocess.CalledProcessError as error:
            place = properties.get("tablespace")
            if not (place and NO_PLACE.search(error.stderr or b"")):
                raise
            self.failures.append(
                Failure(TABLESPACE, "tablespace %s" % shown(place), "it is not there, so all of it is in pg_default; --globals makes it")
            )
            numbers, money, preloaded, available, version = self.made(name, {**properties, "tablespace": None})
        memory, server = map(int, numbers.split("|"))
        self.forewarn(server, preloaded, available.split(), version)
        memory = INDEX_MEMORY if memory == GIVEN else memory
        env = dict(self.env, PGOPTIONS=self.env["PGOPTIONS"] + LOADING % memory)
        self.settle(env, name, dict(sql.settings_of(name, properties)))
        return with_money(env, self.entry, client.text(money))

    def made(self, name: str, properties: Properties) -> list[str]:
        """Make the database. Return what HAS and MADE say."""
        queries = [*HAS[:-1], HAS[-1] % ("true" if self.extensions else "false")]
        create = "CREATE DATABASE %s TEMPLATE template0 CONNECTION LIMIT 0 %s" % (identifier(name), options(properties))
        # Nobody but superusers is let in, until it has its name: whoever may log in could read what is for others.
        *answers, version = query(self.env, *queries, create, MADE % literal(name)).decode("ascii").split("\n")[: len(HAS) + 1]
        return [*answers, version.split("|")[1]]

    def settle(self, env: dict[str, str], name: str, settings: dict[str, str]) -> None:
        """Give the database these settings, see `sql.settings_of`. What is refused is a failure each, as is what keeps sessions from it."""
        for statement, trouble in client.refused(self.env, [*settings]):
            del settings[statement]
            self.refuse(statement, trouble)
        kept = self.unreachable(env, name)
        if kept is None:
            return
        list(client.refused(self.env, settings.values()))
        if self.unreachable(env, name) is not None:
            # The role or the server has one.
            self.reading += " -c session_preload_libraries="
            untrusted.tell(4, "it is loaded without session_preload_libraries, which keep sessions from this server: %s" % reason(kept))
        for statement, reset in settings.items():
            query(self.env, statement)
            kept = self.unreachable(env, name)
            if kept is not None:
                query(self.env, reset)
                self.refuse(statement, kept)

    def refuse(self, statement: str, trouble: Exception) -> None:
        # Which libraries sessions load may be what keeps others out.
        kind = "" if '"session_preload_libraries"' in statement else SETTING
        self.failures.append(Failure(kind, failures.cut(statement), failures.cut(reason(trouble))))

    def unreachable(self, env: dict[str, str], name: str) -> subprocess.CalledProcessError | None:
        """The error that keeps a session with the settings of a database out of it; None: nothing does."""
        try:
            query(dict(self.as_set(env), PGDATABASE=name), "SELECT 1", database=None)
        except subprocess.CalledProcessError as trouble:
            return trouble
        return None

    def as_set(self, env: dict[str, str]) -> dict[str, str]:
        """The environment in which what is set for a database holds."""
        return dict(env, PGOPTIONS=env["PGOPTIONS"].replace(client.WRITING, self.reading))

    def forewarn(self, server: int, preloaded: str, available: list[str], version: str) -> None:
        """Say what this machine lacks, before it shows. `server`: the version of its server."""
        for name in sorted(self.extensions - {client.text(encoded) for encoded in available}):
            untrusted.tell(
                4,
                "extension %s is not installed on this machine, and what needs it will not load. Its package is one of those of apt-cache "
                "search postgresql-%d (others are in postgresql-contrib): install it, then restore again" % (shown(name), server),
            )
        here = libraries(client.text(preloaded))
        for name in sorted(libraries(str(self.server.get("shared_preload_libraries", ""))) - here):
            untrusted.tell(4, "%s was in shared_preload_libraries of the server, and is not here" % shown(name))
        was, now = self.entry.get("properties", {}).get("datcollversion"), client.text(version)
        if was and now and was != now:
            untrusted.tell(
                5,
                "its texts were sorted by version %s of their locale, and are by version %s here: indexes are made anew, but a "
                "partition or a CHECK that compares texts may refuse rows" % (shown(was), shown(now)),
            )

    def load(self, env: dict[str, str], database: str, *more: str, strict: bool = False) -> None:
        """Load it into an empty database; materialized views last: of tables elsewhere they may fail.

        All that can be loaded is; `failures` has the rest. CalledProcessError: the first, where it is `strict`, or it came to no end.
        """
        env = self.as_set(env)
        command = ["pg_restore", "--dbname", sql.connection_string(database), *more]
        views = [line for line in self.listed if re.match(rb"\d+; \d+ \d+ MATERIALIZED VIEW DATA ", line)]
        with tempfile.NamedTemporaryFile() as chosen:
            chosen.writelines(line for line in self.listed if line not in views)
            chosen.flush()
            stop.go_on()
            self.failures += run([*command, "--jobs=%d" % JOBS, "--use-list", chosen.name, self.path], env, strict)
            for view in views:
                stop.go_on()
                chosen.seek(0)
                chosen.truncate()
                chosen.write(view)
                chosen.flush()
                try:
                    output([*command, "--exit-on-error", "--use-list", chosen.name, self.path], env=env)
                except subprocess.CalledProcessError as error:
                    stop.go_on()
                    self.failures.append(
                        Failure(EMPTY, "a materialized view has no rows until it is refreshed", failures.cut(reason(error)))
                    )


def run(command: list[str], env: dict[str, str], strict: bool) -> list[Failure]:
    """Have pg_restore load what it can. Return what it could not."""
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(
            [*command, *(["--exit-on-error"] if strict else [])],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            check=False,
        )
        if done.returncode == 0:
            return []
        log.seek(0)
        errors = None if strict or done.returncode != 1 else failures.in_log(log)
        if errors is None:
            log.seek(max(0, log.seek(0, os.SEEK_END) - failures.LINE))
            raise subprocess.CalledProcessError(done.returncode, command[0], stderr=log.read())
        return errors


def options(properties: Properties) -> str:
    """What CREATE DATABASE says of a database."""
    provider = {"i": "icu", "b": "builtin"}.get(properties.get("datlocprovider", ""))
    words = {
        "ENCODING": properties.get("encoding"),
        "LC_COLLATE": properties.get("datcollate"),
        "LC_CTYPE": properties.get("datctype"),
        "LOCALE_PROVIDER": provider,
        "%s_LOCALE" % (provider or "").upper(): (properties.get("datlocale") or properties.get("daticulocale")) if provider else None,
        "ICU_RULES": properties.get("daticurules"),
    }
    clauses = ["%s %s" % (option, literal(value)) for option, value in words.items() if value is not None]
    place = properties.get("tablespace")
    return " ".join([*clauses, *(["TABLESPACE " + identifier(place)] if place and place != "pg_default" else [])])


def with_money(env: dict[str, str], entry: Entry, money: str) -> dict[str, str]:
    """The environment in which amounts of type money are read as they were written; `money` is how they are read without."""
    if entry.get("lc_monetary", money) == money:
        return env
    # Read otherwise than it was written, an amount is another one.
    as_dumped = dict(env, PGOPTIONS=env["PGOPTIONS"] + " -c lc_monetary=" + re.sub(r"([\\\s])", r"\\\1", entry["lc_monetary"]))
    try:
        query(as_dumped, "SELECT 1")
        return as_dumped
    except subprocess.CalledProcessError:
        untrusted.tell(
            4,
            "amounts of type money were written as lc_monetary = %s says, which this machine does not have; it is %s "
            "here: look at them" % (shown(entry["lc_monetary"]), shown(money)),
        )
        return env


def missing_locale(properties: Properties) -> str | None:
    """A locale of a database that this machine, on which the server runs too, does not have."""
    for key in ("datcollate", "datctype"):
        name = properties.get(key)
        if not isinstance(name, str) or "\0" in name:
            continue
        try:
            locale.setlocale(locale.LC_COLLATE, name)
        # ValueError: it is no UTF-8.
        except (locale.Error, ValueError):
            return name
        finally:
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_COLLATE, "C")
    return None


def libraries(setting: str) -> set[str]:
    return {library.strip().strip('"') for library in setting.split(",")} - {""}

# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""A dump is loaded into a database that is made for it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile

from rootless_backup import untrusted
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.postgresql import client, stop
from rootless_backup.databases.postgresql.client import output, query
from rootless_backup.databases.postgresql.sql import literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.records.manifest import Entry

JOBS = min(4, os.cpu_count() or 1)
# The statement that gives a database its name waits for the disk, for all that came before it too; and several tables are loaded at once,
# so that only an index of a large one is worth workers of its own.
LOADING = " -c synchronous_commit=off -c min_parallel_table_scan_size=256MB -c maintenance_work_mem=%dkB"
# What an index is made in, in kB: what PostgreSQL comes with, and instead of it a thirty-second of the memory, shared by those that are
# made at once. A server that has another value has a reason.
GIVEN = 64 << 10
INDEX_MEMORY = min(512 << 10, max(128 << 10, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 32 // JOBS >> 10))


def create_database(env: dict[str, str], name: str, entry: Entry) -> dict[str, str]:
    """An empty database with the encoding and locale of the one that was dumped. Return the environment to load into it with."""
    properties = entry.get("properties", {})
    provider = {"i": "icu", "b": "builtin"}.get(properties.get("datlocprovider"))
    locale = properties.get("datlocale") or properties.get("daticulocale")
    options = {
        "ENCODING": properties.get("encoding"),
        "LC_COLLATE": properties.get("datcollate"),
        "LC_CTYPE": properties.get("datctype"),
        "LOCALE_PROVIDER": provider,
        "%s_LOCALE" % (provider or "").upper(): locale if provider else None,
    }
    words = " ".join("%s %s" % (option, literal(value)) for option, value in options.items() if value is not None)
    given, money = (
        query(
            env,
            "SELECT setting FROM pg_settings WHERE name = 'maintenance_work_mem'",
            client.MONEY,
            # Nobody but superusers is let in, until it has its name: whoever may log in could read what is for others.
            "CREATE DATABASE %s TEMPLATE template0 CONNECTION LIMIT 0 %s" % (name, words),
        )
        .decode()
        .split("\n")[:2]
    )
    money = client.money(money)
    env = dict(env, PGOPTIONS=env["PGOPTIONS"] + LOADING % (INDEX_MEMORY if int(given) == GIVEN else int(given)))
    if entry.get("lc_monetary", money) != money:
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


def load(env: dict[str, str], database: str, path: str, *options: str, level: int = 4) -> None:
    """Load a dump into an empty database, of a name that needs no quoting; materialized views last: of tables elsewhere they may fail.

    `level`: of sd-daemon(3), to tell of such a failure with.
    """
    command = ["pg_restore", "--exit-on-error", "--dbname", database, *options]
    listed = output(["pg_restore", "--list", path], env=env).splitlines(keepends=True)
    views = [line for line in listed if re.match(rb"\d+; \d+ \d+ MATERIALIZED VIEW DATA ", line)]
    with tempfile.NamedTemporaryFile() as chosen:
        chosen.writelines(line for line in listed if line not in views)
        chosen.flush()
        stop.go_on()
        output([*command, "--jobs=%d" % JOBS, "--use-list", chosen.name, path], env=env)
        for view in views:
            stop.go_on()
            chosen.seek(0)
            chosen.truncate()
            chosen.write(view)
            chosen.flush()
            try:
                output([*command, "--use-list", chosen.name, path], env=env)
            except subprocess.CalledProcessError as error:
                stop.go_on()
                untrusted.tell(
                    level, "a materialized view has no rows until it is refreshed (REFRESH MATERIALIZED VIEW): %s" % reason(error)
                )

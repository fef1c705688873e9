import subprocess

import pytest
from rootless_backup.databases.postgresql import client, loading
from rootless_backup.databases.postgresql.failures import Failure

LISTED = b""";
; Archive created at 2026-01-31 02:00:00 UTC
;
2; 3079 16400 EXTENSION - pg_cron\x20
3; 0 0 COMMENT - EXTENSION pg_cron\x20
4; 3079 16401 EXTENSION - odd name\x20
215; 1259 16402 TABLE public EXTENSION - none app
3500; 6100 16403 SUBSCRIPTION - it's app
"""


@pytest.fixture
def dump(monkeypatch):
    monkeypatch.setattr(loading, "output", lambda _command, **_: LISTED)
    return loading.Dump("/x", {}, {})


def test_reads_the_names_of_what_is_of_no_schema(dump):
    assert list(dump.names(b"EXTENSION")) == ["pg_cron", "odd name"]
    assert list(dump.names(b"SUBSCRIPTION")) == ["it's"]


@pytest.mark.parametrize(
    ("extensions", "why", "want"),
    [
        ({"pg_cron"}, "", True),
        ({"other"}, "can only create extension in database postgres", True),
        ({"other"}, "could not open extension control file", False),
    ],
)
def test_knows_what_is_bound_to_the_name_of_its_database(dump, extensions, why, want):
    dump.extensions, dump.failures = extensions, [Failure("EXTENSION", "CREATE EXTENSION x", why)]
    assert dump.bound() is want


@pytest.mark.parametrize(
    ("properties", "want"),
    [
        ({"datcollate": "C", "datctype": "C.UTF-8"}, None),
        ({"datcollate": "xx_XX.UTF-8", "datctype": "C"}, "xx_XX.UTF-8"),
        ({"datcollate": "C", "datctype": "../../etc/x"}, "../../etc/x"),
        ({"datcollate": "C\0", "datctype": ["C"]}, None),
        ({"datcollate": "fr_\udce9"}, "fr_\udce9"),
        ({}, None),
    ],
)
def test_knows_a_locale_that_the_machine_lacks(properties, want):
    assert loading.missing_locale(properties) == want


def test_a_database_is_made_with_all_that_it_was_made_with():
    said = loading.options(
        {"encoding": "UTF8", "datcollate": "C", "datlocprovider": "i", "datlocale": "en", "daticurules": "&'", "tablespace": 'a"b'}
    )
    assert said == ("ENCODING E'UTF8' LC_COLLATE E'C' LOCALE_PROVIDER E'icu' ICU_LOCALE E'en' ICU_RULES E'&''' TABLESPACE \"a\"\"b\"")
    assert "TABLESPACE" not in loading.options({"tablespace": "pg_default"})


class Server:
    """Has what is set for a database; `bad` settings keep sessions from it."""

    def __init__(self, bad, role_is_bad=False):
        self.set, self.bad, self.role_is_bad = [], bad, role_is_bad

    def query(self, env, *statements, database="template1"):
        for each in statements:
            if len(each) > 128 << 10:
                raise OSError(7, "Argument list too long")
            if " SET " in each:
                self.set = [*(one for one in self.set if one != each), each]
            elif " RESET " in each:
                self.set = [one for one in self.set if not one.startswith(each.replace(" RESET ", " SET ") + " =")]
        refused = any(bad in each for bad in self.bad for each in self.set)
        if database is None and (refused or (self.role_is_bad and "session_preload_libraries=" not in env["PGOPTIONS"])):
            raise subprocess.CalledProcessError(2, "psql", stderr=b'FATAL:  could not access file "nosuch"')
        return b""


@pytest.mark.parametrize(
    ("settings", "bad", "role_is_bad", "left"),
    [
        (["work_mem=1MB", "a.b=2"], [], False, []),
        (["work_mem=1MB", "session_preload_libraries=nosuch", "a.b=nosuch"], ["session_preload"], False, ["session_preload_libraries"]),
        (["work_mem=1MB"], [], True, []),
        (["work_mem=1MB", "a.b=" + 65519 * "\\"], [], False, ["a"]),
    ],
)
def test_a_setting_that_the_server_refuses_is_left_out_and_named_and_costs_no_other(dump, monkeypatch, settings, bad, role_is_bad, left):
    server = Server(bad, role_is_bad)
    monkeypatch.setattr(loading, "query", server.query)
    monkeypatch.setattr(client, "query", server.query)
    env = {"PGOPTIONS": client.OPTIONS}
    dump.settle(env, "new", dict(loading.sql.settings_of("new", {"settings": settings})))
    assert [each.name.split('"')[3] for each in dump.failures] == left
    assert len(server.set) == len(settings) - len(left)
    assert client.WRITING in client.OPTIONS
    assert client.WRITING not in dump.as_set(env)["PGOPTIONS"]
    # What another program would be given at once stays below what the kernel takes.
    assert all(sum(map(len, batch)) <= client.BATCH for batch in client.batches(["x" * 50_000] * 30))

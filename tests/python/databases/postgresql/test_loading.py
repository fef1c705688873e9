import pytest
from rootless_backup.databases.postgresql import loading
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

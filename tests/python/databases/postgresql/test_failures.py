import io

import pytest
from rootless_backup.databases.postgresql import failures
from rootless_backup.databases.postgresql.failures import Failure

# As pg_restore of PostgreSQL 15 and 17 says it.
SAID = b"""pg_restore: error: could not execute query: ERROR:  extension "ours" is not available
DETAIL:  Could not open extension control file: No such file or directory.
HINT:  The extension must first be installed on the system where PostgreSQL is running.
Command was: CREATE EXTENSION IF NOT EXISTS ours WITH SCHEMA public;


pg_restore: error: could not execute query: ERROR:  insert or update on table "child" violates foreign key constraint "child_id_fkey"
Command was: ALTER TABLE ONLY public.child
    ADD CONSTRAINT child_id_fkey FOREIGN KEY (id) REFERENCES public.parent(id);


pg_restore: error: could not execute query: ERROR:  role "gone" does not exist
Command was: ALTER TABLE public.t OWNER TO gone;

pg_restore: error: COPY failed for table "t": ERROR:  value too long
CONTEXT:  COPY t, line 1
pg_restore: warning: errors ignored on restore: 4
"""


def test_tells_what_was_not_loaded_and_why():
    found = failures.in_log(io.BytesIO(SAID))
    assert [(each.kind, each.name) for each in found] == [
        ("", "CREATE EXTENSION IF NOT EXISTS ours WITH SCHEMA public;"),
        ("", "ALTER TABLE ONLY public.child ADD CONSTRAINT child_id_fkey FOREIGN KEY (id) REFERENCES public.parent(id);"),
        ("", "ALTER TABLE public.t OWNER TO gone;"),
        ("", ""),
    ]
    assert found[0].why.startswith('extension "ours" is not available (Could not open')
    assert found[2].why == 'role "gone" does not exist'
    assert failures.told(found[3]) == 'COPY failed for table "t": ERROR:  value too long'


@pytest.mark.parametrize(
    "said",
    [
        b"",
        SAID[: SAID.index(b"pg_restore: warning")],
        SAID + b"pg_restore: error: connection to server was lost\n",
        b"pg_restore: error: could not execute query: ERROR:  x\npg_restore: warning: errors ignored on restore: 1\nsomething else\n",
    ],
)
def test_one_that_did_not_go_on_to_the_end_is_no_load(said):
    assert failures.in_log(io.BytesIO(said)) is None


def test_an_owner_who_makes_many_and_long_ones_costs_little():
    one = b"pg_restore: error: could not execute query: ERROR:  %s\n" % (b"x" * 100_000)
    found = failures.in_log(io.BytesIO(one * 300 + b"pg_restore: warning: errors ignored on restore: 300\n"))
    assert sum(len(each.why) for each in found) < 100 * (failures.LONGEST + 100)
    assert found[-1].why == "more errors than are told of"


@pytest.mark.parametrize(
    ("statement", "want"),
    [
        ("COMMENT ON TABLE t IS 'x';", True),
        ("CREATE INDEX i ON t (n);", True),
        ("CREATE UNIQUE INDEX i ON t (n);", False),
        ('ALTER TABLE ONLY "a b"."c ""d" ADD CONSTRAINT x CHECK (true);', False),
        ('ALTER TABLE public."x ADD CONSTRAINT y" OWNER TO gone;', False),
        ("SELECT pg_catalog.setval('s', 7, true);", False),
        ("REVOKE ALL ON FUNCTION f() FROM PUBLIC;", False),
        ("CREATE POLICY p ON t AS RESTRICTIVE TO gone;", False),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY;", False),
        ("", False),
    ],
)
def test_what_may_keep_others_out_is_not_harmless(statement, want):
    assert failures.harmless([Failure(failures.kind_of(statement), statement, "why")]) is want
    assert failures.harmless([])


def said(*lines, errors=1):
    return io.BytesIO("\n".join([*lines, "pg_restore: warning: errors ignored on restore: %d\n" % errors]).encode())


SAYS = "pg_restore: error: could not execute query: ERROR:  "
INDEX = "Command was: CREATE INDEX i ON public.t USING btree (n);"
HARMLESS = [SAYS + "x", INDEX]


def test_an_index_that_failed_is_harmless():
    assert failures.harmless(
        failures.in_log(said("pg_restore: from TOC entry 3; 1259 1 INDEX i app", *HARMLESS, "", "", *HARMLESS, errors=2))
    )


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [SAYS + 'role "gone" does not exist', 'Command was: ALTER FUNCTION public."f', INDEX, '"() OWNER TO gone;'], id="name"
        ),
        pytest.param([SAYS + 'role "gone', INDEX, '" does not exist', "Command was: ALTER FUNCTION public.f() OWNER TO gone;"], id="role"),
        pytest.param(['pg_restore: error: COPY failed for table "t', INDEX, '": ERROR:  value too long'], id="table"),
        pytest.param(["pg_restore: error: could not create large object 1: ERROR:  x", INDEX], id="large object"),
        pytest.param([*HARMLESS, "pg_restore: from TOC entry 4; 1259 2 TABLE x", INDEX, " app"], id="tag"),
        pytest.param([SAYS + "CREATE INDEX i"], id="no command"),
        pytest.param([SAYS + "x" * failures.PIECE, INDEX], id="long"),
        pytest.param([SAYS + "x" * (failures.LINE - len(SAYS)) + INDEX], id="line end forged by the length of a line"),
        # Workers write piece by piece into each other's lines.
        pytest.param(
            [
                "pg_restore:pg_restore: error:  error: could not execute query: ERROR:  x",
                INDEX,
                "could not execute query: ERROR:  y",
                INDEX,
            ],
            id="begun together",
        ),
        pytest.param(["pg_restore: error: pg_restore: error: could not execute query: ERROR:  x", INDEX, INDEX], id="one within the other"),
        pytest.param([SAYS + "x" + SAYS + "y", INDEX], id="within a line"),
    ],
)
def test_what_could_be_forged_or_is_not_understood_is_not_harmless(lines):
    assert not failures.harmless(failures.in_log(said(*lines)))


def test_one_that_says_nothing_of_what_failed_is_not_harmless():
    assert not failures.harmless(failures.in_log(said()))

import re
import subprocess

import pytest
from rootless_backup.databases import stop
from rootless_backup.databases.postgresql import client, item
from rootless_backup.databases.postgresql.failures import EMPTY, Failure

INDEX = Failure("INDEX", "CREATE INDEX i", "why")
POLICY = Failure("", "CREATE POLICY p", "why")
VIEW = Failure(EMPTY, "a materialized view has no rows until it is refreshed", "why")


class Server:
    """Knows its databases, by what it is told: `{name: owner}`; what it was told last is `said`."""

    def __init__(self, *names):
        self.names = dict.fromkeys(names, "app")
        self.closed, self.limits, self.said, self.before = set(), {}, [], {}
        self.fails = None
        # What somebody else does whenever he can.
        self.meanwhile = lambda: None

    def query(self, _env, *statements, **_):
        begun = given = False
        for each in statements:
            given = given or each == "SELECT 'given'"
            if not begun:
                self.meanwhile()
            self.said.append(each)
            if self.fails and re.search(self.fails, each):
                self.names = self.before if begun else self.names
                raise subprocess.CalledProcessError(1, "psql", output=b"given\n" if given else b"", stderr=b"ERROR:  no")
            if each == "BEGIN":
                begun, self.before = True, dict(self.names)
            elif each in ("COMMIT", "ROLLBACK"):
                begun, self.names = False, self.names if each == "COMMIT" else self.before
            else:
                self.do(each)
        return b"0\n"

    def do(self, statement):
        words = statement.replace('"', "").split()
        if words[:2] != ["ALTER", "DATABASE"]:
            return
        name, what = words[2], " ".join(words[3:5])
        assert name in self.names, statement
        if what == "RENAME TO":
            assert words[5] not in self.names, statement
            self.names[words[5]] = self.names.pop(name)
            self.limits[words[5]] = self.limits.get(name, 0)
            if name in self.closed:
                self.closed = {*self.closed - {name}, words[5]}
        elif what == "OWNER TO":
            self.names[name] = words[5]
        elif what.startswith("ALLOW_CONNECTIONS"):
            (self.closed.discard if words[4] == "true" else self.closed.add)(name)
        elif what == "CONNECTION LIMIT":
            self.limits[name] = int(words[5])

    def drop(self, _env, name):
        self.names.pop(name, None)

    def properties_of(self, _env):
        return {name: {"datallowconn": name not in self.closed} for name in self.names}


class Dump:
    """A dump of which this is not loaded."""

    def __init__(self, server, *failures):
        self.server, self.failures, self.given = server, [], failures

    def bound(self):
        return False

    def names(self, _kind):
        return []

    def make_database(self, name):
        self.server.query({}, "made")
        self.server.names[name] = "postgres"
        self.server.limits[name] = 0
        return {}

    def load(self, _env, name, **_):
        assert self.server.names[name] == "postgres"
        assert self.server.limits[name] == 0
        self.server.query({}, "load")
        self.failures += self.given


@pytest.fixture
def attempt(monkeypatch):
    """`attempt(server, request, …)` restores a database `shop`, of which this fails, into a server."""
    monkeypatch.setattr(stop, "go_on", lambda: None)

    def made(server, request, *failures, empty=False, properties=None):
        for module in (item, client):
            monkeypatch.setattr(module, "query", server.query)
        monkeypatch.setattr(client, "drop", server.drop)
        monkeypatch.setattr(client, "properties_of", server.properties_of)
        monkeypatch.setattr(item, "Dump", lambda *_: Dump(server, *failures))
        asked = type("Item", (), {"env": {}, "into": "shop", "name": "shop", "path": "", "server": {}, "is_empty": lambda *_: empty})()
        asked.entry = {"finished": "then", "properties": {"owner": "app", "datconnlimit": 7, **(properties or {})}}
        return item.Attempt(asked, server.properties_of({}).get("shop"), request).run()

    return made


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("failures", "result", "owner", "limit"),
    [
        ([], item.RESTORED, "app", 7),
        ([INDEX], item.IN_PART, "app", 7),
        ([VIEW], item.IN_PART, "app", 7),
        ([INDEX, POLICY], item.IN_PART, "postgres", 0),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_the_owner_gets_what_is_whole_and_nothing_else(attempt, capsys, failures, result, owner, limit, in_place, there):
    server = Server(*["shop"] * there)
    properties = {"grants": [["reader", "CONNECT", False]], "datistemplate": True}
    request = {"over": True, "partial": True, "in_place": in_place}
    assert attempt(server, request, *failures, properties=properties) == result
    assert server.names == {"shop": owner}
    assert server.limits["shop"] == limit
    assert ('ALTER DATABASE "shop" IS_TEMPLATE true' in server.said) == (owner == "app")
    said = capsys.readouterr().out
    assert ('ALTER DATABASE "shop" OWNER TO "app"; ALTER DATABASE "shop" CONNECTION LIMIT 7;' in said) == (owner != "app")
    for each in failures:
        assert each.name in said


@pytest.mark.parametrize("fails", ["load", "CONNECTION LIMIT 7", "RENAME TO", "made"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("in_place", [True, False])
def test_whatever_fails_leaves_what_was_there_and_at_no_time_is_the_name_free(attempt, capsys, fails, in_place, there):
    server = Server(*["shop"] * there)
    server.fails = fails

    def check():
        assert ("shop" in server.names) >= there

    server.meanwhile = check
    if fails == "RENAME TO":
        # Only the first one.
        query = server.query

        def first(*statements, **more):
            try:
                return query(*statements, **more)
            except subprocess.CalledProcessError:
                server.fails = None
                raise

        server.query = first
    assert attempt(server, {"over": True, "in_place": in_place}) == item.NOT
    assert server.names == ({"shop": "app"} if there else {})
    assert "shop" not in server.closed
    assert "what was there is as it was" in capsys.readouterr().out


def test_a_right_that_is_refused_is_named_and_then_it_is_not_its_owner_s(attempt, capsys):
    server = Server("shop")
    server.fails = 'GRANT CONNECT .* "gone"'
    grants = [["gone", "CONNECT", False], ["reader", "CONNECT", False]]
    assert attempt(server, {"over": True, "partial": True}, properties={"grants": grants}) == item.IN_PART
    assert server.names == {"shop": "postgres"}
    assert any('TO "reader"' in each for each in server.said)
    assert "left out: GRANT CONNECT ON DATABASE" in capsys.readouterr().out


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_there_goes_only_for_what_is_whole(attempt, capsys, strict):
    server = Server("shop")
    assert attempt(server, {"over": True, "strict": strict}, INDEX) == item.NOT
    assert server.names == {"shop": "app"}
    assert "what was there is as it was" in capsys.readouterr().out

import json

import pytest
from rootless_backup.databases.mariadb import client, definitions, prove

TABLE = {"rows": 2, "checksum": "a"}
PROPERTIES = {"charset": "utf8mb4", "collation": "utf8mb4_bin", "comment": ""}


def entry(tables, **properties):
    return {"tables": tables, "properties": {**PROPERTIES, **properties}}


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (entry({"t": TABLE}), entry({"t": TABLE}), []),
        (entry({"t": TABLE}), entry({}), ['table "t" is missing']),
        (entry({}), entry({"t": TABLE}), ['table "t" was not there']),
        (entry({"t": TABLE}), entry({"t": {"rows": 1, "checksum": "b"}}), ['table "t" has 1 rows, but had 2']),
        (entry({"t": TABLE}), entry({"t": {"rows": 2, "checksum": "b"}}), ['table "t" has other contents than it had']),
        (entry({}), entry({}, collation="utf8mb4_general_ci"), ["its character set, collation or comment is another than it was"]),
    ],
)
def test_says_which_tables_are_not_what_they_were(was, now, said):
    assert list(prove.differences(was, now, same=True)) == said


def test_compares_how_tables_are_made_in_a_server_of_the_same_version():
    was, now = (entry({"t": {**TABLE, "definition": each}}) for each in "ab")
    assert list(prove.differences(was, now, same=True)) == ['table "t" is made otherwise than it was: a column, a key or an option']
    assert list(prove.differences(was, now, same=False)) == []
    assert list(prove.differences(entry({"t": TABLE}), now, same=True)) == []


class Quiet:
    seconds = None

    def limited(self, seconds):
        self.seconds = seconds
        return self

    def query(self, sql):
        assert sql == "DROP VIEW IF EXISTS `d`.`v`"


@pytest.fixture
def proof(tmp_path):
    return prove.Proof(Quiet(), str(tmp_path / "dump"), {"database": "d"})


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({("EVENT", "e"): "1", ("VIEW", "v"): "1"}, {("EVENT", "e"): "1", ("VIEW", "v"): "2"}, []),
        ({("TRIGGER", "t"): "1"}, {("TRIGGER", "t"): "2"}, ['trigger "t" is another than it was']),
        ({("VIEW", "v"): "1"}, {}, ['view "v" is missing']),
        ({}, {("FUNCTION", "f"): "1"}, ['function "f" was not there']),
    ],
)
def test_says_which_other_objects_are_not_what_they_were(proof, was, now, said):
    assert list(proof.others(was, now)) == said


def test_a_view_of_what_is_left_out_says_nothing_of_the_dump(proof, capsys):
    view = {"kind": "VIEW", "name": "v", "broken": False}
    proof.lacks(view, "1146 (42S02): Table 'x.y' doesn't exist")
    assert (proof.problems, list(proof.others({("VIEW", "v"): "1"}, {}))) == ([], [])
    assert capsys.readouterr().out.startswith('<5>mariadb: database "d": view "v" cannot be made: 1146')
    proof.lacks(view, "1064 (42000): syntax")
    assert proof.problems == ['view "v" cannot be made: 1064 (42000): syntax']


def test_a_place_of_a_view_is_none(proof):
    proof.lacks({"kind": definitions.PLACE, "name": "v", "broken": False}, "1050 (42S01): exists")
    assert proof.problems == []
    assert prove.told([({"kind": definitions.PLACE, "name": "v", "broken": False}, "x")]) == {}


@pytest.mark.parametrize("code", [1054, 1305, 1356, 1370, 1449])
def test_a_view_that_its_definer_may_not_look_at_says_nothing_of_the_dump(proof, code):
    proof.lacks({"kind": "VIEW", "name": "v", "broken": False}, "%d (42000): x" % code)
    assert proof.problems == []


def test_a_view_that_was_broken_says_nothing_of_the_dump(proof, capsys):
    proof.lacks({"kind": "VIEW", "name": "v", "broken": True}, "1052 (23000): ambiguous")
    assert (proof.problems, list(proof.others({("VIEW", "v"): b"1"}, {})), capsys.readouterr().out) == ([], [], "")


def test_what_goes_wrong_with_one_database_costs_no_other(tmp_path, capsys):
    class Server(Quiet):
        def query(self, _sql):
            raise client.Incomplete("It takes longer than 600 seconds, so it was ended.")

    entry = {"database": "d", "finished": "2026-01-01T00:00:00Z", "size": 1, "tables": {}}
    (tmp_path / "slow").touch()
    for path, change in (("slow", {}), ("gone", {"parts": [0, 0]}), ("slow", {"finished": "x", "parts": 1})):
        proof = prove.Proof(Server(), str(tmp_path / path), {**entry, "definitions": [], **change})
        proof.load()
        proof.begin(("VIEW",))
        assert proof.attempt() == 0
        proof.settle()
        assert proof.compare(None, same=True) is False
    said = capsys.readouterr().out
    assert 'database "d": It takes longer than 600 seconds' in said
    assert "No such file" in said


def test_waits_longer_for_what_is_large(tmp_path):
    seconds = [prove.Proof(Quiet(), str(tmp_path), {"database": "d", "size": size}).server.seconds for size in (1, 10**9)]
    assert seconds == [600, 5000]


def test_dumps_of_an_older_version_are_said_to_be_compared_with_their_checksums_only(monkeypatch, tmp_path, capfd):
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"databases/shop.sql": {"database": "shop", "sha256": "0" * 64}}}))
    monkeypatch.setenv("BACKUP_DUMP", str(tmp_path))
    assert prove.prove()
    assert "compared with their checksums only" in "".join(capfd.readouterr())

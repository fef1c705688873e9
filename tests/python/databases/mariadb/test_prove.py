import pytest
from rootless_backup.databases.mariadb import definitions, prove

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
    assert list(prove.differences(was, now)) == said


@pytest.fixture
def proof(tmp_path):
    (tmp_path / "dump").touch()
    return prove.Proof(str(tmp_path / "dump"), {"database": "d"})


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


class Quiet:
    def query(self, sql):
        assert sql == "DROP VIEW IF EXISTS `d`.`v`"


def test_a_view_of_what_is_left_out_says_nothing_of_the_dump(proof, capsys):
    view = {"kind": "VIEW", "name": "v", "broken": False}
    proof.lacks(Quiet(), view, "1146 (42S02): Table 'x.y' doesn't exist")
    assert (proof.problems, list(proof.others({("VIEW", "v"): "1"}, {}))) == ([], [])
    assert capsys.readouterr().out.startswith('<5>mariadb: database "d": view "v" cannot be made: 1146')
    proof.lacks(Quiet(), view, "1064 (42000): syntax")
    assert proof.problems == ['view "v" cannot be made: 1064 (42000): syntax']


def test_a_place_of_a_view_is_none(proof):
    proof.lacks(None, {"kind": definitions.PLACE, "name": "v", "broken": False}, "1050 (42S01): exists")
    assert proof.problems == []
    assert prove.told([({"kind": definitions.PLACE, "name": "v", "broken": False}, "x")]) == {}

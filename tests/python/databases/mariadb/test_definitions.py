import pytest
from rootless_backup.databases.mariadb import definitions

WHO = b"CREATE DEFINER=`o``x`@`%` "


def test_what_an_owner_wrote_stands_in_a_line_in_hex():
    body = b"SELECT 1;;\nDELIMITER ;\nDROP DATABASE mysql; -- \xe7\x5c"
    line = definitions.line(body, "gbk", "gbk_bin", "ANSI_QUOTES", "Europe/Berlin")
    assert definitions.LINE.fullmatch(line)["made"] == body.hex()
    assert line.count("\n") == 0


@pytest.mark.parametrize(
    "line",
    [
        "DROP DATABASE mysql;",
        definitions.line(b"x") + " DROP DATABASE mysql;",
        definitions.line(b"x").replace("SYSTEM", "SYSTEM' DROP"),
        definitions.line(b"x").replace("0x", "0xzz"),
    ],
)
def test_nothing_else_is_taken_for_a_line(tmp_path, line):
    (tmp_path / "dump").write_text("-- VIEW v\n%s\n" % line)
    entry = {"parts": [0, 0], "definitions": [{"kind": "VIEW", "name": "v", "broken": False}]}
    with pytest.raises(ValueError, match="not what the manifest tells of"):
        definitions.lines_in(str(tmp_path / "dump"), entry)


def test_sets_what_was_the_collation_of_the_database():
    row = [b"p", b"STRICT_ALL_TABLES", WHO + b"PROCEDURE `p`() SELECT 1", b"latin1", b"latin1_bin", b"utf8mb4_bin"]
    same, other = (definitions.line_of("PROCEDURE", row, collation) for collation in ("utf8mb4_bin", "latin1_bin"))
    assert all(map(definitions.LINE.fullmatch, (same, other)))
    assert "ALTER DATABASE" not in same
    assert other.startswith("SET @made = NULL; ALTER DATABASE COLLATE utf8mb4_bin; SET character_set_client = latin1, ")
    assert other.endswith("EXECUTE IMMEDIATE @made; ALTER DATABASE COLLATE latin1_bin;")


@pytest.mark.parametrize(
    ("kind", "made", "want"),
    [
        ("TRIGGER", b"TRIGGER tr AFTER DELETE ON t FOR EACH ROW SET @a = 1", b"TRIGGER tr AFTER DELETE ON t FOR EACH ROW SET @a = 1"),
        ("TRIGGER", b"trigger `d`.`t.r` before insert on d . `t` for each row x", b"trigger `t.r` before insert on `t` for each row x"),
        ("TRIGGER", b"TRIGGER /* d. */ d.tr BEFORE INSERT ON d.t FOR EACH ROW x", None),
        (
            "EVENT",
            b"EVENT `e ENABLE` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1",
            b"DIS",
        ),
        ("EVENT", b"EVENT `e` ON SCHEDULE AT '2030-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE ON SLAVE DO SELECT 1", b"same"),
        ("EVENT", b"EVENT `e` ON SOMETHING NEW ENABLE DO SELECT 1", None),
        ("PROCEDURE", b"PROCEDURE `p`() SELECT 1", b"same"),
    ],
)
def test_in_another_database_a_trigger_is_of_that_and_an_event_does_not_run(kind, made, want):
    moved = definitions.moved(kind, definitions.line(WHO + made))
    want = {b"same": made, b"DIS": made.replace(b"PRESERVE ENABLE", b"PRESERVE DISABLE")}.get(want, want)
    assert moved == (None if want is None else definitions.line(WHO + want))

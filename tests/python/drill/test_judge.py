from rootless_backup.drill import judge


def test_makes_one_line_of_those_that_only_tell_how_much_was_proven():
    lines = [
        "<6>a: postgresql: 15-main: 1 databases, 2 tables, 10 rows proven",
        "<3>something is wrong",
        "<6>a: postgresql: 15-main: 1 databases, 3 tables, 5 rows proven",
        "<3>something is wrong",
    ]
    assert list(judge.summed(lines)) == ["<6>a: postgresql: 15-main: 2 databases, 5 tables, 15 rows proven", "<3>something is wrong"]

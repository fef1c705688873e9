import subprocess

import pytest
from rootless_backup.databases.mariadb import account


@pytest.mark.parametrize(
    ("name", "want"), [("shop", "shop"), ("a_b%", "a\\_b\\%"), ("_" * 33, "_" * 33), ("a" * 64, "a" * 64), ("_" * 32, "\\_" * 32)]
)
def test_gives_rights_in_one_database(name, want):
    assert account.pattern_of(name) == want


def test_gives_no_rights_in_databases_that_a_long_name_stands_for():
    with pytest.raises(OSError, match="too long"):
        account.pattern_of("%" * 33)


class Server:
    """Keeps what it is asked; `databases` and `accounts` are there."""

    def __init__(self, databases=(), accounts=(), refuses=None):
        self.databases, self.accounts, self.refuses = databases, accounts, refuses
        self.asked, self.socket, self.seconds = [], "/s", None

    def query(self, sql):
        self.asked.append(sql)
        if self.refuses and self.refuses in sql:
            raise subprocess.CalledProcessError(1, "mariadb", stderr=b"ERROR 1045: no")
        found = self.databases if "SCHEMATA" in sql else self.accounts if "global_priv" in sql else []
        return [[each.encode().hex()] for each in found]

    def limited(self, seconds):
        self.seconds = seconds
        return self


@pytest.mark.parametrize("other", ["b" + "_" * 32, "A" + "_" * 31 + "x", "ax" * 16 + "x"])
def test_gives_no_rights_in_what_a_long_name_stands_for_too(other):
    name = "a" + "_" * 32
    assert account.inside(Server([name]), name) == "`%s`.*" % name
    if account.is_like(other, account.pattern_of(name)):
        with pytest.raises(OSError, match="too long"):
            account.inside(Server([name, other]), name)
    else:
        assert account.inside(Server([name, other]), name)


def test_knows_what_a_pattern_stands_for():
    assert account.is_like("ab", "a_")
    assert not account.is_like("Ab", "a_")
    assert account.is_like("a_b%c\\\n", "a\\_b\\%c\\\\\n")
    assert not account.is_like("axb", "a\\_b")
    assert not account.is_like("abc", "a_")


def test_is_there_for_one_task_only_and_goes_whatever_happens(capsys):
    server = Server()
    with pytest.raises(ValueError, match="x"), account.holding(server, ["SELECT ON *.*"]) as held:
        assert held.account.startswith("backup_restore_")
        raise ValueError("x")
    name = held.account
    assert [each.split(" IDENTIFIED")[0] for each in server.asked] == [
        "SET sql_log_bin = 0; CREATE USER %s@localhost" % name,
        "SET sql_log_bin = 0; GRANT SELECT ON *.* TO %s@localhost" % name,
        "SET sql_log_bin = 0; DROP USER %s@localhost" % name,
    ]
    with account.holding(Server(refuses="DROP USER"), []):
        pass
    assert "stays until the next time" in capsys.readouterr().out


def test_takes_away_those_of_a_task_that_was_killed_and_nobody_else():
    ours, other = "backup_restore_" + "0" * 16, "backup_dump_" + "0" * 16
    server = Server(accounts=[ours, other, "backup_restore", "backup_restore_x", "root"])
    account.clear(server, account.RESTORE)
    assert server.asked[1:] == ["SET sql_log_bin = 0; DROP USER %s@localhost" % ours]

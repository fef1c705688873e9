import types

import pytest
from rootless_backup.databases.mariadb import dump, loading, restore
from rootless_backup.databases.request import IN_PART, NOT, RESTORED


class Server:
    def __init__(self, databases):
        self.databases, self.asked = databases, []

    def query(self, sql):
        if "SCHEMATA" in sql:
            return [[each.encode().hex() for each in row] for row in self.databases]
        self.asked.append(sql)
        return []


def test_takes_away_what_one_that_was_killed_had_begun_and_sets_the_server_as_it_was(capsys):
    begun, note, whole = ("restoring_%016x" % number for number in range(3))
    before = '{"max_allowed_packet": 16777216, "strict_password_validation": 1, "automatic_sp_privileges": 1}'
    databases = [(begun, ""), (note, before), (whole, dump.WHOLE), ("restoring_x", before), ("shop", before)]
    server = Server(databases)
    restore.clear(server)
    assert server.asked[1:] == [
        "SET foreign_key_checks = 0; DROP DATABASE `%s`" % begun,
        "SET GLOBAL max_allowed_packet = 16777216; SET GLOBAL strict_password_validation = 1; SET GLOBAL automatic_sp_privileges = 1",
        "SET foreign_key_checks = 0; DROP DATABASE `%s`" % note,
    ]
    assert "database %s was loaded and never took its place" % whole in capsys.readouterr().out


def test_what_is_whole_is_noted_before_grants_are_loaded_which_may_end_it_all(monkeypatch):
    noted, unmarked = [], []

    def item(result):
        does = dict.fromkeys(("restore", "begin", "attempted", "settled", "tell_of_events", "end", "tell_of_mark"), lambda *_: 0)
        one = types.SimpleNamespace(result=result, file=result, into="d", **does)
        one.unmark = lambda: unmarked.append(result)
        return one

    def gone(*_):
        raise OSError("The server is gone.")

    monkeypatch.setenv("BACKUP_DUMP", "/nowhere")
    monkeypatch.setattr(restore, "note_back", lambda file, _request: noted.append(file))
    monkeypatch.setattr(loading, "load_globals", lambda *_: True)
    monkeypatch.setattr(loading, "load_accounts", lambda *_: [])
    monkeypatch.setattr(loading, "load_grants", gone)
    with pytest.raises(OSError, match="gone"):
        restore.load_all(None, [item(RESTORED), item(IN_PART), item(NOT)], {"globals": True})
    assert noted == [RESTORED]
    assert unmarked == [RESTORED, IN_PART, NOT]

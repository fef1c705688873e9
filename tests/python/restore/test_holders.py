"""Which services hold what is to come back."""

import pytest
from rootless_backup import systemd
from rootless_backup.restore import holders


class Package:
    def __init__(self, source, provides=()):
        self.source, self.provides = source, set(provides)


INSTALLED = {
    "samba": Package("samba"),
    "samba-common": Package("samba"),
    "postfix": Package("postfix", ["mail-transport-agent"]),
    "openssh-server": Package("openssh"),
}
LISTS = {
    "/usr/lib/systemd/system/smbd.service": {"samba"},
    "/lib/systemd/system/postfix@.service": {"postfix"},
    "/lib/systemd/system/ssh.service": {"openssh-server"},
}


class Packages:
    def __init__(self):
        self.installed = INSTALLED

    def owners(self, wanted):
        return {path: LISTS[path] for path in wanted if path in LISTS}

    def sources(self, names):
        return {self.installed[name].source for name in names}


class Belonging:
    def __init__(self):
        self.hooks = [(None, "postgresql")]
        self.packages, self.owners = (
            Packages(),
            {"/etc/samba": {"samba-common"}, "/etc/ssh": {"openssh-server"}, "/etc/shared": {"samba", "postfix"}},
        )


UNITS = [
    ("smbd.service", "/lib/systemd/system/smbd.service", "", "", "smbd.socket"),
    ("postfix@-.service", "/lib/systemd/system/postfix@.service", "", "", ""),
    ("ssh.service", "/lib/systemd/system/ssh.service", "", "", ""),
    ("ledger.service", "/etc/systemd/system/ledger.service", "", "", ""),
    ("other.service", "/etc/systemd/system/other.service", "", "books", ""),
    ("mariadb.service", "/etc/systemd/system/mariadb.service", "", "", ""),
    ("postgresql@15-main.service", "/etc/systemd/system/postgresql@.service", "", "", ""),
    ("busy.service", "/etc/systemd/system/busy.service", "", "", ""),
]


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ("/etc/samba", {"smbd.service": ["smbd.socket"]}),
        ("/var/mail", {"postfix@-.service": []}),
        ("/etc/ssh", {}),
        ("/etc/shared", {}),
        # A server whose hook loads what was dumped runs on, and no other.
        ("/var/lib/mariadb", {"mariadb.service": []}),
        ("/var/lib/postgresql", {}),
        ("/var/lib/ledger", {"ledger.service": []}),
        ("/var/lib/books", {"other.service": []}),
        ("/srv/open", {"busy.service": []}),
        ("/var/lib/nobodys", {}),
    ],
)
def test_a_service_is_known_by_its_package_its_name_its_directory_or_what_it_has_open(monkeypatch, row, want):
    monkeypatch.setattr(systemd, "output", lambda *_: "".join(unit[0] + " loaded active running\n" for unit in UNITS))
    monkeypatch.setattr(systemd, "show_each", lambda *_: [dict(zip(holders.PROPERTIES, unit)) for unit in UNITS])
    monkeypatch.setattr(holders, "units_with_open_files", lambda rows: {"busy.service"} if "/srv/open" in rows else set())
    assert holders.Holders(Belonging()).of([row]) == want


def test_what_a_link_that_comes_back_enables_is_started_later():
    links = [
        "/etc/systemd/system/multi-user.target.wants/a.service",
        "/etc/systemd/system/multi-user.target.wants/ssh.service",
        "/etc/systemd/system/shutdown.target.wants/leave.service",
        "/etc/systemd/system/multi-user.target.wants/poweroff.target",
        "/etc/systemd/system/b.service",
    ]
    assert holders.enabled(links) == ["a.service"]


def test_what_was_stopped_is_noted_before_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(holders.host, "RESTORE_STATE", str(tmp_path))
    noted = []
    monkeypatch.setattr(systemd, "stop", lambda *names: noted.append((names, holders.stopped())) or True)
    assert holders.stop({"a.service": ["a.socket"]})
    assert holders.stop({"b.service": []})
    assert noted == [(("a.socket", "a.service"), ["a.service", "a.socket"]), (("b.service",), ["a.service", "a.socket", "b.service"])]


@pytest.mark.parametrize(
    ("active", "result", "ok"),
    [
        ("active", "success", True),
        ("inactive", "exec-condition", True),
        ("inactive", "", True),
        ("inactive", "exit-code", False),
        ("activating", "exit-code", False),
        ("failed", "timeout", False),
    ],
)
def test_what_is_started_runs_has_ended_well_or_is_not_for_this_machine(tmp_path, monkeypatch, capsys, active, result, ok):
    monkeypatch.setattr(holders.host, "RESTORE_STATE", str(tmp_path))
    monkeypatch.setattr(holders, "stopped", lambda: ["a.service"])
    monkeypatch.setattr(holders, "failed", set)
    monkeypatch.setattr(systemd, "reset_failed", lambda _name: None)
    monkeypatch.setattr(holders.subprocess, "run", lambda *_, **__: None)
    state = {"LoadState": "loaded", "ActiveState": active, "Result": result}
    monkeypatch.setattr(systemd, "show_or_nothing", lambda *_: state)
    assert holders.start() is ok
    assert ("a.service does not run" in capsys.readouterr().err) is not ok

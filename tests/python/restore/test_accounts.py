"""The accounts of a lost machine."""

import pytest
from rootless_backup.restore import accounts

PASSWD = """root:x:0:0:root:/root:/bin/bash
redis:x:105:110::/var/lib/redis:/usr/sbin/nologin
alice:x:1000:1000:Alice:/home/alice:/bin/bash
twin:x:1000:1000::/home/twin:/bin/sh
--evil:x:1001:1001::/home/evil:/bin/sh
mallory:x:1002:1002::/home/mallory:/bin/sh -c x
late:x:1003:1003::home:/bin/sh
far:x:70000:70000::/home/far:
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = "redis:x:110:\nalice:x:1000:\nadm:x:4:alice,gone\nfar:x:70000:\nbad name:x:5:\n"
SHADOW = "alice:$6$salt$hash:19000:0:99999:7:::\nredis:!:1::::::\n"


class Entry:
    def __init__(self, **fields):
        self.__dict__.update(fields)


@pytest.fixture
def ran(monkeypatch):
    """What is run on a machine that has `syslog` with the number of redis, and the group adm."""
    users = {"syslog": Entry(pw_name="syslog", pw_uid=105, pw_gecos="", pw_dir="/", pw_shell="/bin/false")}
    groups = {"adm": Entry(gr_name="adm", gr_gid=4, gr_mem=[]), "postfix": Entry(gr_name="postfix", gr_gid=110, gr_mem=[])}
    commands = []

    class Done:
        returncode = 0

    def run(command, **more):
        commands.append((command, more["input"].decode()))
        options = dict(zip(command, command[1:]))
        name = command[-1]
        if command[0] == "groupadd":
            groups[name] = Entry(gr_name=name, gr_gid=int(options.get("--gid", 999)), gr_mem=[])
        if command[0] == "useradd":
            uid = int(options.get("--uid", 998))
            users[name] = Entry(
                pw_name=name, pw_uid=uid, pw_gecos=options["--comment"], pw_dir=options["--home-dir"], pw_shell=options.get("--shell", "")
            )
        return Done()

    monkeypatch.setattr(accounts.pwd, "getpwall", users.values)
    monkeypatch.setattr(accounts.grp, "getgrall", groups.values)
    monkeypatch.setattr(accounts.pwd, "getpwnam", users.__getitem__)
    monkeypatch.setattr(accounts.grp, "getgrnam", groups.__getitem__)
    monkeypatch.setattr(accounts.subprocess, "run", run)
    return commands


def test_accounts_come_back_by_name_and_take_nobody_s_number(ran, capsys):
    assert accounts.Making(accounts.Accounts(PASSWD, GROUP, SHADOW)).all()
    made = {command[-1]: " ".join(command) for command, _ in ran if command[0] in ("groupadd", "useradd")}
    groups = [" ".join(command) for command, _ in ran if command[0] == "groupadd"]
    assert groups == ["groupadd --system -- redis", "groupadd --gid 1000 -- alice", "groupadd --gid 70000 -- far"]
    assert "--uid" not in made["redis"]
    assert "--gid redis --system" in made["redis"]
    assert "--uid 1000 --non-unique --gid alice" in made["alice"]
    assert "--uid 1000 --non-unique" in made["twin"]
    assert "--uid 70000" in made["far"]
    assert all("--no-create-home" in command for name, command in made.items() if command.startswith("useradd"))
    said = capsys.readouterr()
    assert said.out == "groups made: redis alice far\nusers made: redis alice twin mallory far\ngroups of alice: adm\n"
    assert "--evil" in said.err
    assert "late" in said.err
    assert "bad name" in said.err


def test_passwords_go_by_a_pipe_and_those_of_services_not_at_all(ran):
    accounts.Making(accounts.Accounts(PASSWD, GROUP, SHADOW)).all()
    given = [text for command, text in ran if command[0] == "chpasswd"]
    assert given[0] == "alice:$6$salt$hash\n"
    assert not any("redis" in text for text in given)
    assert not any("hash" in word for command, _ in ran for word in command)
    assert ("usermod", "--append", "--groups", "adm", "--", "alice") in [command for command, _ in ran]


def test_a_list_makes_nothing(ran, capsys):
    accounts.Making(accounts.Accounts(PASSWD, GROUP, SHADOW), only_tell=True).all()
    assert ran == []
    assert "users lacking: redis alice twin mallory far\n" in capsys.readouterr().out

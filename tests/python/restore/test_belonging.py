"""What of a lost machine comes back into /etc and /var."""

import pytest
from rootless_backup import host
from rootless_backup.restore import belonging, dpkg

STATUS = """Package: {name}
Status: {state} ok installed
Priority: {priority}
Architecture: all
Version: 1
Maintainer: nobody
Description: nothing
"""


@pytest.fixture
def packages(tmp_path):
    """Makes a dpkg that knows these: `(name, priority, paths)`."""

    def make(directory, *known):
        admin = tmp_path / directory
        (admin / "info").mkdir(parents=True)
        (admin / "status").write_text(
            "\n".join(STATUS.format(name=name, priority=priority, state="install") for name, priority, _ in known)
        )
        for name, _, owned in known:
            (admin / "info" / (name + ".list")).write_text("/.\n" + "".join(path + "\n" for path in owned))
        return dpkg.Packages(str(admin))

    return make


@pytest.fixture
def judge(packages, tmp_path, monkeypatch):
    here = packages("here", ("base-files", "required", ["/etc/issue", "/etc/profile"]), ("nginx", "optional", ["/etc/nginx"]))
    were = packages("were", ("redis", "optional", ["/var/lib/redis-of-test"]), ("nginx", "optional", ["/etc/nginx"]))
    excludes = tmp_path / "exclude.d"
    excludes.mkdir()
    (excludes / "postgresql").write_text("# Live data.\n/var/lib/postgresql/*/main\n")
    (excludes / "own").write_text("/var/lib/own\n")
    monkeypatch.setattr(host, "EXCLUDES", str(excludes))

    def why(row, etc=None, host_keys=False):
        return belonging.Belonging([row], here, lambda: were, etc, host_keys).why_left(row)

    return why


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("/etc/nginx/sites/a", "/etc/nginx"),
        ("/etc/systemd/system/a.service", "/etc/systemd/system/a.service"),
        ("/etc/systemd/system/a.service.d/b", "/etc/systemd/system/a.service.d"),
        ("/etc/systemd/system/m.target.wants/a.service", "/etc/systemd/system/m.target.wants/a.service"),
        ("/etc/default", "/etc/default"),
        ("/var/lib/redis/dump", "/var/lib/redis"),
        ("/home/alice/.ssh", "/home"),
    ],
)
def test_a_row_is_the_highest_of_which_one_thing_can_be_said(path, want):
    assert belonging.row_of(path) == want


@pytest.mark.parametrize(
    "row",
    [
        "/etc/nginx",
        "/etc/own.conf",
        "/etc/cron.d",
        "/etc/ssl/private",
        "/etc/systemd/system/own.service",
        "/var/lib/redis-elsewhere",
        "/var/mail",
        "/var/www",
        "/var/lib/backuppc",
        "/etc/systemd/system/backuppc.service",
    ],
)
def test_what_services_and_people_have_comes_back(judge, row):
    assert judge(row) == ""


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ("/etc/passwd-", "accounts"),
        ("/etc/fstab", "disks"),
        ("/etc/machine-id", "network"),
        ("/etc/ssh/ssh_host_ed25519_key", "let in"),
        ("/etc/profile", "package base-files"),
        ("/var/lib/dpkg", "packages"),
        ("/var/lib/borg", "backup itself"),
        ("/var/lib/backup-report", "backup itself"),
        ("/etc/systemd/system/backup.service.d", "backup itself"),
        ("/etc/systemd/system/timers.target.wants/backup.timer", "backup itself"),
        ("/etc/postgresql", "restore-db --all postgresql"),
        ("/var/lib/own", "restore-db own"),
        ("/var/lib/redis-of-test", "package redis, which is not installed"),
        ("/var/lib/systemd", "new system"),
        ("/var/log", "logged"),
    ],
)
def test_what_is_the_new_machine_s_own_stays_and_is_named_with_the_reason(judge, row, want):
    assert want in judge(row)


def test_settings_choose_what_of_etc_comes_back_but_never_the_backup_itself(judge):
    assert judge("/etc/ssh/ssh_host_ed25519_key", host_keys=True) == ""
    assert judge("/etc/fstab", etc=["/etc/fstab"]) == ""
    assert judge("/etc/ssl/private", etc=["/etc/ssl"]) == ""
    assert "not among" in judge("/etc/nginx", etc=[])
    assert judge("/var/www", etc=[]) == ""
    assert "backup itself" in judge("/etc/backup", etc=["/etc/*"])

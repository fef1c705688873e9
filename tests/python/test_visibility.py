import re

import pytest
from rootless_backup import visibility

ROOT = "1 0 8:1 / / rw shared:1 - ext4 a rw\n"
HOST = ROOT + "3 1 0:5 / /run rw shared:3 - tmpfs t rw\n"
# What is left out if nothing else is said.
EXCLUDES = ["/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/var/cache/borg", "/var/lib/borg"]


def places(messages):
    return [re.search(r"hides (\S+)", message)[1] for message in messages]


def test_reads_mountinfo_with_its_escapes_the_uppermost_mount_of_a_place():
    text = (
        "1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /with\\040space rw - ext4 b rw\n"
        "3 1 8:3 /sub /with\\040space rw shared:4 master:2 - ext4 c rw\n"
    )
    assert visibility.mounts(text) == {"/": ("8:1", "/", False), "/with space": ("8:3", "/sub", True)}


@pytest.mark.parametrize(("path", "want"), [("/usr", ("8:1", "/usr")), ("/home/alice", ("8:2", "/homes/alice")), ("/", ("8:1", "/"))])
def test_knows_what_one_sees_at_a_path(path, want):
    assert visibility.at({"/": ("8:1", "/", False), "/home": ("8:2", "/homes", True)}, path) == want


@pytest.mark.parametrize(
    ("extra", "want"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("2 1 8:1 /home /home ro shared:9 master:1 - ext4 a rw\n", [], id="the same place made read-only"),
        pytest.param(
            "2 1 0:5 /systemd/inaccessible/dir /home ro shared:9 master:3 - tmpfs t rw\n", ["/home"], id="a directory made inaccessible"
        ),
        pytest.param("2 1 0:9 / /home/alice ro shared:9 - tmpfs t rw\n", ["/home/alice"], id="an empty file system"),
        pytest.param("2 1 0:9 / /srv ro shared:9 - tmpfs t rw\n", ["/srv"], id="something above a saved path"),
        pytest.param("2 1 0:9 / /home/cache/x ro shared:9 - tmpfs t rw\n", [], id="something that is excluded"),
        pytest.param("2 1 0:9 / /dev ro shared:9 - tmpfs t rw\n", [], id="something elsewhere"),
        pytest.param("2 1 0:9 / /home/new rw shared:9 master:8 - tmpfs t rw\n", [], id="what the host mounted a moment ago"),
    ],
)
def test_sees_what_a_sandbox_hides(extra, want):
    host, here = visibility.mounts(HOST), visibility.mounts(HOST + extra)
    assert places(visibility.differences(host, here, ["/home", "/srv/data"], ["/home/cache"])) == want


@pytest.mark.parametrize("release", ["12", "13"])
def test_sees_that_the_sandbox_of_the_backup_hides_nothing(recorded, release):
    host, here = (visibility.mounts(recorded("mountinfo-debian-%s-%s.txt" % (release, whose))) for whose in ("host", "sandbox"))
    assert visibility.differences(host, here, ["/"], EXCLUDES) == []
    # What it does hide is what nobody wants.
    assert {"/tmp", "/dev", "/proc"} <= set(places(visibility.differences(host, here, ["/"], [])))


def test_sees_what_the_sandbox_of_a_hook_hides(recorded):
    host, here = (visibility.mounts(recorded("mountinfo-debian-12-%s.txt" % whose)) for whose in ("host", "hook"))
    hidden = places(visibility.differences(host, here, ["/"], EXCLUDES))
    assert {"/home", "/root", "/srv", "/media", "/mnt"} <= set(hidden)
    assert places(visibility.differences(host, here, ["/usr", "/etc"], [])) == []

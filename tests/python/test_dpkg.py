"""What the transaction takes for installed; of all else the package manager is asked."""

import importlib.util
import pathlib

import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/module_utils/dpkg.py"
spec = importlib.util.spec_from_file_location("dpkg", PATH)
dpkg = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dpkg)


@pytest.mark.parametrize(
    "package",
    [
        "borgbackup",
        "borgbackup:amd64",
        "foreign:i386",
        "borgbackup=1.4.0-5",
        "borgbackup:amd64=1.4.0-5",
        "epoch=2:1.0~rc1-1",
        "held",
        "unwanted",
    ],
)
def test_installed(recorded, package):
    assert dpkg.lacking([package], recorded("dpkg-query.txt"), "") == []


@pytest.mark.parametrize(
    "package",
    [
        "half",
        "unpacked",
        "unconfigured",
        "waiting",
        "removed",
        "broken",
        # Known by name only, as what another package provides.
        "mail-transport-agent",
        "nowhere",
        # Of another architecture than the host's, or than the one that is named.
        "foreign",
        "foreign:amd64",
        "borgbackup:i386",
        "borgbackup=1.4.0",
        "borgbackup=1.4.0-6",
        "borgbackup=1.4*",
        "epoch=1.0~rc1-1",
        # What only the package manager can read.
        "borgbackup/stable",
        "borgbackup-",
        "borg*",
        "Borgbackup",
        "--root=/",
        "",
    ],
)
def test_lacking(recorded, package):
    assert dpkg.lacking(["held", package], recorded("dpkg-query.txt"), "") == [package]


def test_nothing_is_installed_of_what_dpkg_does_not_answer():
    assert dpkg.lacking(["borgbackup", "msmtp"], "", "") == ["borgbackup", "msmtp"]


def test_what_came_along_with_another_package_may_go_with_it(recorded):
    states = "Package: held\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: borgbackup\nArchitecture: amd64\nAuto-Installed: 0\n\n"
    assert dpkg.lacking(["borgbackup", "held"], recorded("dpkg-query.txt"), states) == ["held"]


def test_the_command_names_nothing_that_is_an_option_or_a_pattern():
    command = dpkg.query("/usr/bin/dpkg-query", ["borgbackup:amd64=1.4.0-5", "--root=/", "borg*", "msmtp"])
    assert command[0] == "/usr/bin/dpkg-query"
    assert command[3:] == ["dpkg", "borgbackup:amd64", "msmtp"]

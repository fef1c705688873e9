"""Which packages a machine had."""

import pytest
from rootless_backup.restore import packages
from rootless_backup.restore.dpkg import Package


class Known:
    def __init__(self, directory, installed, held=()):
        self.directory, self.held = str(directory), set(held)
        self.installed = {
            name: Package(name, "optional", name, "libs" if name in ("libold", "libown") else "web", "") for name in installed
        }

    def owners(self, paths):
        return {path: {"coreutils"} for path in paths if path == "/usr/bin/env"}


@pytest.fixture
def change(tmp_path, monkeypatch):
    states = tmp_path / "extended_states"
    marks = {"libfoo": 1, "nginx": 0, "--evil": 1}
    states.write_text("\n".join("Package: %s\nArchitecture: amd64\nAuto-Installed: %d\n" % each for each in marks.items()))
    (tmp_path / "were").mkdir()
    (tmp_path / "were" / "statoverride").write_text(
        "root adm 0750 /usr/bin/env\nroot root 4755 /usr/bin/env\nroot adm 0750 /nowhere\n--evil adm 0750 /usr/bin/y\nroot adm 4999 z\n"
    )
    monkeypatch.setattr(packages, "available", lambda names: set(names) - {"gone", "libold"})
    monkeypatch.setattr(packages, "APT", "/nowhere")
    were = Known(tmp_path / "were", ["nginx", "libfoo", "libold", "gone", "base"], held=["nginx"])
    return packages.Change(were, Known(tmp_path / "here", ["base", "newer"]), str(states))


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Bring back a machine that lacks two libraries, one of which a source has. Return whether that succeeded, and what was run."""
    (tmp_path / "were").mkdir()
    monkeypatch.setattr(packages, "available", lambda names: set(names) - {"libold"})
    change = packages.Change(Known(tmp_path / "were", ["libown", "libold"]), Known(tmp_path / "here", []), "/nowhere")

    def make(installs):
        ran = []
        monkeypatch.setattr(packages, "run", lambda command, *_: ran.append(command) or installs)
        monkeypatch.setattr(packages, "Packages", lambda: Known("/nowhere", ["libown"] if installs else []))
        return change.make(), ran

    return make


def test_a_library_is_installed_if_a_source_has_it_though_nothing_else_is_lacking(libraries, capsys):
    ok, ran = libraries(True)
    assert ok
    assert [command[-2:] for command in ran] == [["--", "libown"]]
    said = capsys.readouterr().err
    assert "libown" not in said
    # Of another release, which is no failure.
    assert "libold is in no source of this machine; what is no package's may need this library" in said


def test_a_library_that_cannot_be_installed_is_named_and_no_success(libraries, capsys):
    ok, ran = libraries(False)
    assert not ok
    assert [command[-2:] for command in ran] == [["--", "libown"]] * 2
    assert "libown could not be installed" in capsys.readouterr().err


def test_what_a_machine_lacks_is_told_by_how_it_came(change, capsys):
    change.tell()
    assert capsys.readouterr().out.splitlines() == [
        "to install: nginx",
        # A library that only the old release has is nothing that somebody asked for, though it was not marked so.
        "came along with others: libfoo libold",
        "in no source of this machine: gone",
        "held: nginx",
        "marked as automatic: libfoo",
        "modes set by hand: root adm 0750 /nowhere root adm 0750 /usr/bin/env root root 4755 /usr/bin/env",
    ]


def test_what_is_to_be_had_is_installed_and_marked_and_the_rest_named(change, capsys, monkeypatch):
    ran = []
    monkeypatch.setattr(packages, "run", lambda command, *_: ran.append(command) or True)
    monkeypatch.setattr(packages, "Packages", lambda: Known("/nowhere", ["nginx", "libfoo", "base"]))
    assert not change.make()
    assert ran[0][-4:] == ["--no-install-recommends", "--", "nginx", "libfoo"]
    assert "--no-remove" in ran[0]
    assert ran[1:] == [
        ["apt-mark", "auto", "--", "libfoo"],
        ["apt-mark", "hold", "--", "nginx"],
        ["dpkg-statoverride", "--force-all", "--update", "--add", "root", "adm", "0750", "/usr/bin/env"],
    ]
    said = capsys.readouterr().err
    assert "gone is in no source" in said
    # What would make anything run as another, or is no package's, is for who restores to decide.
    assert "--add root root 4755 /usr/bin/env" in said
    assert "--add root adm 0750 /nowhere" in said


def test_where_what_came_along_does_not_fit_what_was_asked_for_is_installed_by_itself(change, monkeypatch):
    ran = []

    def run(command, quiet=False):
        ran.append((command, quiet))
        return "libfoo" not in command or "auto" in command

    monkeypatch.setattr(packages, "run", run)
    monkeypatch.setattr(packages, "Packages", lambda: Known("/nowhere", ["nginx"]))
    change.make()
    assert [(command[-2:], quiet) for command, quiet in ran[:2]] == [(["nginx", "libfoo"], True), (["--", "nginx"], False)]

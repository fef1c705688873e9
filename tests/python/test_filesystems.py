import os

import pytest
from rootless_backup import filesystems, paths, roots, selection

ROOT = "1 0 8:1 / / rw shared:1 - ext4 a rw\n"
RUN = "2 1 0:5 / /run rw shared:3 - tmpfs t rw\n"
HOMES = ROOT + "3 1 8:1 /srv/home /home rw shared:4 - ext4 a rw\n"


@pytest.mark.parametrize(
    ("extra", "want"),
    [
        pytest.param("", {"/run": "tmpfs"}, id="nothing more"),
        pytest.param("4 1 0:9 / /srv/c/proc rw - proc p rw\n", {"/run": "tmpfs", "/srv/c/proc": "proc"}, id="the /proc of a chroot"),
        pytest.param(
            "4 1 0:5 /lock /srv/c/lock rw - tmpfs t rw\n", {"/run": "tmpfs", "/srv/c/lock": "tmpfs"}, id="a part of /run elsewhere"
        ),
        pytest.param("4 1 0:8 / /srv/disk rw - tmpfs t rw\n", {"/run": "tmpfs"}, id="memory of somebody's own"),
        pytest.param("4 1 0:9 / /srv/x rw - proc p rw\n5 4 8:7 / /srv/x rw - ext4 a rw\n", {"/run": "tmpfs"}, id="a disk over it"),
    ],
)
def test_leaves_out_by_its_type_what_is_on_no_disk(extra, want):
    assert filesystems.unreal(ROOT + RUN + extra, ["/"]) == want


def test_saves_what_is_asked_for_in_the_memory_of_the_running_system(tmp_path):
    assert filesystems.unreal(ROOT + RUN, ["/run"]) == {}
    for name in ("media/disk", "media/oth*r", "lock"):
        (tmp_path / name).mkdir(parents=True)
    run = str(tmp_path)
    patterns = list(selection.contents(run, "tmpfs", ["/", run + "/media/disk"]))
    assert sorted(patterns) == [run + "/lock", run + "/media/oth[*]r"]
    assert list(selection.contents("/a*/proc", "proc", ["/"])) == ["/a[*]/proc/*"]


def test_a_literal_pattern_matches_its_path_alone():
    import re

    for path in ("/a/*", "/a/[b]", "/a?", "/[!a]", "/plain"):
        regular = re.compile(paths.shell_pattern(paths.literal(path)))
        assert regular.fullmatch(path)
        assert not regular.fullmatch("/a/b")


@pytest.mark.parametrize(
    ("mountinfo", "path", "want"),
    [
        (HOMES, "/home", ["/srv/home"]),
        (HOMES, "/srv/home", ["/home"]),
        (HOMES, "/home/alice", ["/srv/home/alice"]),
        (HOMES, "/srv", []),
        (HOMES + "4 1 0:9 / /srv/home rw - tmpfs t rw\n", "/home", []),
    ],
)
def test_knows_where_a_directory_is_seen_again(mountinfo, path, want):
    assert list(filesystems.elsewhere(filesystems.mounts(mountinfo), path)) == want


@pytest.mark.parametrize(
    ("asked", "order", "problems"),
    [
        (["/home", "/srv"], ["/srv", "/home"], []),
        (
            ["/srv/home", "/home", "/srv"],
            ["/srv/home", "/srv", "/home"],
            ["/home and /srv/home are one directory: take one out of backup_paths"],
        ),
        (["/home/alice", "/home", "/srv"], ["/srv", "/home/alice", "/home"], []),
        (["/etc", "/srv"], ["/etc", "/srv"], []),
    ],
)
def test_goes_last_into_a_root_that_is_seen_elsewhere_too(monkeypatch, asked, order, problems):
    monkeypatch.setattr(roots, "same", lambda _path, _other: True)
    assert roots.ordered(asked, filesystems.mounts(HOMES), False) == (order, problems)


def test_tells_of_roots_that_are_mounted_below_each_other(monkeypatch):
    table = filesystems.mounts(ROOT + "2 1 8:1 /a /b/x rw - ext4 a rw\n3 1 8:1 /b /a/y rw - ext4 a rw\n")
    monkeypatch.setattr(roots, "same", lambda _path, _other: True)
    order, problems = roots.ordered(["/a", "/b"], table, False)
    assert sorted(order) == ["/a", "/b"]
    assert problems == ["/a, /b are mounted below each other: name in backup_paths what is to be saved of them"]


def test_a_link_is_a_root_with_what_it_points_to_and_one_to_nothing_is_told(tmp_path):
    from rootless_backup.voice import JOURNAL

    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    link, dangling = str(tmp_path / "link"), str(tmp_path / "dangling")
    assert roots.what_to_save([link], JOURNAL) == [os.path.realpath(link), link]
    assert roots.missing([link, dangling]) == ["%s is a symbolic link to what does not exist, %s/nowhere" % (dangling, tmp_path)]


def test_knows_the_directories_of_overlays():
    text = (
        ROOT
        + "2 1 0:7 / /a rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/x\\040y/diff,workdir=/w\n"
        + "3 1 0:8 / /b rw - overlay overlay rw,lowerdir=/l,upperdir=/home/a/diff,workdir=/w,userxattr\n"
    )
    assert filesystems.layers(text) == ["/var/lib/x y/diff"]


def test_knows_the_automount_points_that_are_mounted_too():
    text = ROOT + "2 1 0:7 / /net rw - autofs s rw\n3 1 0:8 / /auto rw - autofs s rw\n4 3 8:9 / /auto rw - ext4 d rw\n"
    assert filesystems.automounts(text) == ["/auto", "/net"]
    assert filesystems.kinds(text)["/auto"] == "ext4"


@pytest.mark.parametrize("name", ["a\x0cb", "a\rb", "a\x0bb", "a\x1cb", "a\x85b", "a\u2028b"])
def test_a_name_ends_no_line_but_by_a_line_feed_which_the_kernel_escapes(tmp_path, name):
    table = "36 35 0:30 / /home/%s rw - fuse.x x rw,user_id=1000\n37 35 0:31 / /srv rw - ext4 /dev/sda rw\n" % name
    (tmp_path / "mountinfo").write_text(table, encoding="utf-8", newline="")
    found = filesystems.read(str(tmp_path / "mountinfo"))
    assert filesystems.kinds(found) == {"/home/" + name: "fuse.x", "/srv": "ext4"}
    assert set(filesystems.mounts(found)) == {"/home/" + name, "/srv"}
    assert filesystems.unreal(found, ["/home"]) == {}

import pytest
from rootless_backup.borg import policy


@pytest.mark.parametrize(
    ("message", "want"),
    [
        ("/a/file: file changed while we backed it up", True),
        ("/a/file: file inode changed (race condition), skipping file", True),
        ("/a/file: open: [Errno 2] No such file or directory: 'file'", True),
        ("/a/file: open: [Errno 13] Permission denied: 'file'", False),
        ("/a/file: read: [Errno 5] Input/output error: 'file'", False),
        ("/x: file changed while we backed it up: open: [Errno 13] Permission denied: 'x: file changed while we backed it up'", False),
        ("/x: stat: [Errno 2] No such file or directory: 'y': open: [Errno 13] Permission denied: 'z'", False),
        ("something nobody has ever seen", False),
    ],
)
def test_lets_a_warning_of_borg_1_2_pass_only_if_it_is_of_a_file_that_changed(message, want):
    assert policy.is_passing({"message": message}) is want


@pytest.mark.parametrize(
    ("msgid", "want"),
    [("FileChangedWarning", True), ("BackupFileNotFoundError", True), ("BackupPermissionError", False), ("BackupIOError", False)],
)
def test_lets_a_warning_of_borg_1_4_pass_by_its_id_whatever_its_text_says(msgid, want):
    assert policy.is_passing({"msgid": msgid, "message": "/x: file changed while we backed it up"}) is want


@pytest.mark.parametrize(
    ("version", "missing_root_passes"),
    # Of 1.2 the text says no operation, as it does of a file that vanished. That a root is missing is told by `roots.missing` too.
    [("1.2", False), ("1.4", True)],
)
def test_tells_the_warnings_apart_that_a_borg_gave(recorded_lines, version, missing_root_passes):
    warnings = [event for event in recorded_lines("borg-%s-create.log" % version) if event.get("levelname") == "WARNING"]
    assert [(event["message"].split(":")[0], policy.is_passing(event)) for event in warnings] == [
        ("/srv/data/secret", False),
        ("/srv/data/closed", False),
        # Its name is `x: file changed while we backed it up`.
        ("/srv/data/x", False),
        ("/srv/data/growing", True),
        ("/srv/nowhere", missing_root_passes),
    ]


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_knows_damage_that_a_borg_found(recorded_lines, version):
    said = [event["message"] for event in recorded_lines("borg-%s-damage.log" % version)]
    assert [policy.is_damage(text) for text in said] == [True, False]


@pytest.mark.parametrize(("code", "want"), [(0, False), (1, True), (2, False), (99, False), (100, True), (127, True), (-9, False)])
def test_knows_the_exit_codes_of_warnings(code, want):
    assert policy.has_warned(code) is want


@pytest.mark.parametrize(
    "text", ["%s: file inode changed (race condition), skipping file", "%s: dir_open: [Errno 2] No such file or directory: 'd'"]
)
def test_a_directory_that_was_skipped_does_not_pass_unless_it_is_gone(tmp_path, text):
    (tmp_path / "d: stat: [Errno 2] x").mkdir()
    (tmp_path / "file").write_text("x")
    assert policy.is_of_directory({"message": text % tmp_path})
    assert policy.is_of_directory({"message": text % (tmp_path / "d: stat: [Errno 2] x")})
    assert not policy.is_of_directory({"message": text % (tmp_path / "file")})
    assert not policy.is_of_directory({"message": text % (tmp_path / "gone")})
    assert policy.is_of_directory({"message": text % ("/" + "x" * 5000)})


def traceback(last, *frames):
    return "Local Exception\nTraceback (most recent call last):\n%s%s\n" % (
        "".join('  File "/usr/lib/python3/dist-packages/%s", line 1, in read\n    read()\n' % frame for frame in frames),
        last,
    )


@pytest.mark.parametrize(
    ("last", "frames"),
    [
        ("borg.helpers.msgpack.UnpackException: code must be 0~127", ["borg/archiver.py", "borg/cache.py", "borg/helpers/msgpack.py"]),
        ("ValueError: x", ["borg/archiver.py", "borg/cache.py", "borg/helpers/parseformat.py"]),
        ("ValueError: x", ["borg/cache.py", "src/borg/hashindex.pyx"]),
        ("KeyError: x", ["borg/cache.py", "borg/crypto/file_integrity.py"]),
        ("KeyError: x", ["borg/cache.py", "/usr/lib/python3.11/configparser.py"]),
    ],
)
def test_knows_a_crash_of_what_reads_the_cache_whatever_it_was(last, frames):
    assert policy.is_of_cache({"message": traceback(last, *frames)})


@pytest.mark.parametrize("frames", [["borg/cache.py", "borg/repository.py"], ["borg/archive.py", "borg/helpers/msgpack.py"]])
def test_takes_no_crash_of_a_repository_for_one_of_the_cache(frames):
    assert not policy.is_of_cache({"message": traceback("ValueError: x", *frames)})

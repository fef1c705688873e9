"""A generation is whole whatever the account does meanwhile, follows no link, and costs only what is deleted."""

import os
import resource

import pytest
from rootless_backup.repository import generations, listing

NOW = 1_800_000_000


@pytest.fixture
def repository(tmp_path):
    top = tmp_path / "repository"
    (top / "data/0").mkdir(parents=True)
    for number in range(3):
        (top / "data/0" / str(number)).write_bytes(b"segment %d" % number)
    (top / "config").write_text("[repository]\n")
    (top / "nonce").write_text("0000000000000001")
    (top / "lock.exclusive").mkdir()
    return top


def make(repository, now=NOW, stood=None):
    top = os.open(repository, os.O_RDONLY)
    try:
        return generations.make(top, str(repository.parent / "generations"), now, now if stood is None else stood, patience=0)
    finally:
        os.close(top)


def contents(top):
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def test_it_is_all_of_the_repository_but_locks_and_stays_when_that_is_deleted(repository):
    before = contents(repository)
    name = make(repository)
    for path in (repository / "data/0").iterdir():
        path.unlink()
    (repository / "config").write_text("[other]\n")
    (repository / "nonce").write_text("0000000000000002")
    assert contents(repository.parent / "generations" / name) == before
    assert not (repository.parent / "generations" / name / "lock.exclusive").exists()


def test_what_did_not_change_is_not_kept_again(repository):
    assert make(repository)
    (repository / "nonce").write_text("0000000000000002")
    assert make(repository, NOW + 3600) is None
    (repository / "data/0/3").write_bytes(b"new")
    assert make(repository, NOW + 3600)


def test_a_repository_that_holds_nothing_yet_has_none(repository):
    (repository / "config").unlink()
    assert make(repository) is None


def test_nothing_that_is_no_file_is_kept_or_followed(repository, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key").write_text("secret")
    (repository / "data/0/4").symlink_to(tmp_path / "secret")
    (repository / "data/1").symlink_to(tmp_path / "secrets")
    os.mkfifo(repository / "data/0/5")
    name = make(repository)
    assert sorted(contents(tmp_path / "generations" / name)) == ["config", "data/0/0", "data/0/1", "data/0/2", "nonce"]


def test_what_changes_while_it_is_made_is_tried_again_and_then_told(repository, monkeypatch):
    linked, number = generations.link, [10]

    def meanwhile(*given):
        linked(*given)
        number[0] += 1
        (repository / "data/0" / str(number[0])).write_bytes(b"new")

    monkeypatch.setattr(generations, "link", meanwhile)
    with pytest.raises(generations.Restless):
        make(repository)
    assert generations.names(str(repository.parent / "generations")) == []
    monkeypatch.setattr(generations, "link", linked)
    assert make(repository)


def test_a_segment_that_is_being_written_all_the_time_keeps_none_from_being_made(repository, monkeypatch):
    (repository / "data/0/10").write_bytes(b"written")
    linked = generations.link

    def meanwhile(*given):
        linked(*given)
        with open(repository / "data/0/10", "ab") as file:
            file.write(b" on")

    monkeypatch.setattr(generations, "link", meanwhile)
    assert make(repository)


def test_a_file_that_is_exchanged_for_a_link_meanwhile_is_not_taken(repository, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("secret")
    link = os.link

    def exchange(name, *given, **options):
        if name == "1":
            (repository / "data/0/1").unlink()
            (repository / "data/0/1").symlink_to(tmp_path / "secret")
        link(name, *given, **options)

    monkeypatch.setattr(os, "link", exchange)
    with pytest.raises(generations.Restless):
        make(repository)
    assert os.stat(tmp_path / "secret").st_nlink == 1


def test_where_a_file_can_have_no_more_names_it_is_copied(repository, monkeypatch):
    def full(*_given, **_options):
        raise OSError(31, "Too many links")

    monkeypatch.setattr(os, "link", full)
    before = contents(repository)
    name = make(repository)
    assert contents(repository.parent / "generations" / name) == before
    assert make(repository, NOW + 3600) is None


def test_what_is_copied_so_is_readable_by_the_group_of_its_account_as_what_is_linked(repository, monkeypatch):
    def full(*_given, **_options):
        raise OSError(31, "Too many links")

    given = {}
    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(generations.os, "chown", lambda name, uid, gid, **_options: given.update({name: (uid, gid)}))
    name = make(repository)
    kept = repository.parent / "generations" / name
    group = (repository / "data/0/1").stat().st_gid
    assert given == {str(number): (-1, group) for number in range(3)}
    assert [(kept / "data/0" / str(number)).stat().st_mode & 0o777 for number in range(3)] == [0o440] * 3
    assert (kept / "config").stat().st_mode & 0o777 == 0o600


def test_old_ones_expire_but_never_the_newest(repository):
    names = []
    for day in range(4):
        (repository / "data/0" / str(100 + day)).write_bytes(b"new")
        names.append(make(repository, NOW + day * 86_400))
    directory = str(repository.parent / "generations")
    assert generations.expire(directory, NOW + 3.5 * 86_400, 2) == names[:2]
    assert generations.expire(directory, NOW + 400 * 86_400, 2) == names[2:3]
    assert generations.names(directory) == names[3:]


def test_one_that_went_halfway_is_no_generation_and_goes_the_next_time(repository):
    directory = repository.parent / "generations"
    name = make(repository)
    (directory / ".old/data").mkdir(parents=True)
    assert generations.names(str(directory)) == [name]
    generations.expire(str(directory), NOW, 2)
    assert not (directory / ".old").exists()


def test_one_is_due_after_an_hour_or_when_the_count_went_back(repository):
    directory = str(repository.parent / "generations")
    assert generations.is_due(directory, NOW)
    make(repository)
    assert not generations.is_due(directory, NOW + 3599)
    assert generations.is_due(directory, NOW + 3600)
    assert generations.is_due(directory, NOW - 3600)


def test_one_with_a_name_of_a_time_to_come_is_as_old_as_it_is(repository):
    directory = str(repository.parent / "generations")
    future = make(repository, NOW + 365 * 86_400, stood=NOW)
    (repository / "data/0/8").write_bytes(b"new")
    later = make(repository, NOW + 3600)
    assert generations.names(directory) == [future, later]
    (repository / "data/0/9").write_bytes(b"new")
    assert make(repository, NOW + 7200)
    assert generations.expire(directory, NOW + 2 * 86_400, 1) == [future, later]


def test_one_that_is_made_when_the_clock_says_the_same_again_has_a_name_of_its_own(repository):
    first = make(repository)
    (repository / "data/0/8").write_bytes(b"new")
    assert make(repository, NOW, stood=NOW + 3600) not in (None, first)


def room(repository, deleted):
    top = os.open(repository, os.O_RDONLY)
    try:
        return generations.room(listing.of(top), str(repository.parent / "generations"), deleted)
    finally:
        os.close(top)


def test_the_room_of_what_was_deleted_is_counted_once_and_not_while_it_is_there_again(repository):
    directory = repository.parent / "generations"
    (repository / "data/0/0").write_bytes(bytes(1 << 20))
    make(repository)
    for hour in range(1, 4):
        (repository / "data/0" / str(10 + hour)).write_bytes(b"new")
        make(repository, NOW + hour * 3600)
    os.unlink(repository / "data/0/0")
    live, held = room(repository, generations.gone(str(directory), {}))
    assert held - (1 << 20) < 64 << 10
    assert live < 64 << 10
    make(repository, NOW + 4 * 3600)
    deleted = generations.gone(str(directory), {})
    assert room(repository, deleted)[1] - (1 << 20) < 64 << 10
    os.link(next(directory.iterdir()) / "data/0/0", repository / "data/0/0")
    assert room(repository, deleted)[1] < 64 << 10


def test_of_what_was_deleted_only_what_is_new_is_looked_at(repository, monkeypatch):
    directory = str(repository.parent / "generations")
    for hour in range(20):
        (repository / "data/0" / str(10 + hour)).write_bytes(b"new")
        make(repository, NOW + hour * 3600)
    before = generations.gone(directory, {})
    (repository / "data/0/99").write_bytes(b"new")
    make(repository, NOW + 20 * 3600)
    looked = []
    listed = generations.listed
    monkeypatch.setattr(generations, "listed", lambda path: looked.append(path) or listed(path))
    after = generations.gone(directory, before)
    assert len(looked) == 2
    assert after == generations.gone(directory, {})


def test_more_files_than_borg_makes_are_told_before_all_are_read(repository, monkeypatch):
    monkeypatch.setattr(listing, "MOST", 10)
    for number in range(20):
        (repository / "data" / ("empty%d" % number)).mkdir()
    with pytest.raises(listing.Odd):
        make(repository)


def test_it_has_more_directories_than_may_be_open_at_once(repository):
    for number in range(1, 120):
        (repository / "data" / str(number) / "below").mkdir(parents=True)
        (repository / "data" / str(number) / "1").write_bytes(b"first")
        (repository / "data" / str(number) / "below/1").write_bytes(b"below")
        (repository / "data" / str(number) / "c").write_bytes(b"after what is below")
    before, limits = contents(repository), resource.getrlimit(resource.RLIMIT_NOFILE)
    open_before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_before + 40, limits[1]))
    try:
        name = make(repository)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert contents(repository.parent / "generations" / name) == before
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_directories_deeper_than_borg_makes_are_told(repository):
    (repository / "/".join(["data", *"abcdefghij"])).mkdir(parents=True)
    with pytest.raises(listing.Odd):
        make(repository)

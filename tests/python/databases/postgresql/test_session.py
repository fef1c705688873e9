import os
import subprocess
import threading

import pytest
from rootless_backup.databases.postgresql import session


@pytest.mark.parametrize("size", [1, 300, 4096, 1 << 20])
def test_feeds_whoever_reads_a_dump_while_it_is_written_all_of_it(tmp_path, size):
    path, source, sink = tmp_path / "x", *os.pipe()
    want = os.urandom(3 * size)
    writer = (
        """import sys, time
file = open(sys.argv[1], "wb", 0)
for n in range(3):
    file.write(sys.stdin.buffer.read(%d))
    time.sleep(0.02)
"""
        % size
    )
    with subprocess.Popen(["python3", "-c", writer, str(path)], stdin=subprocess.PIPE) as writing:
        feeding = threading.Thread(target=session.feed, args=[str(path), writing, sink])
        feeding.start()
        with open(source, "rb") as pipe:
            threading.Thread(target=writing.communicate, args=[want]).start()
            assert pipe.read() == want
        feeding.join()


@pytest.mark.parametrize(("waits", "ended"), [([True] * 3 + [False] * 20, 0), ([True, False] * 5, 1), ([True] * 5, 1)])
def test_who_locks_one_thing_after_the_other_holds_a_dump_no_longer_than_its_limit(monkeypatch, waits, ended):
    said = []

    def query(env, statement):
        # It is not the session that it looks for.
        assert env["PGAPPNAME"] != "backup-dump-1"
        if "'waits'" in statement:
            return b"waits\n" if waits.pop(0) else b""
        said.append(statement)
        waits.clear()
        return b"t\n"

    class Event:
        def wait(self, seconds):
            assert seconds == 600 / session.WATCHES
            return not waits

    monkeypatch.setattr(session, "query", query)
    session.end_waiting({"PGDATABASE": "it's", "PGAPPNAME": "backup-dump-1"}, 600, Event())
    assert [("pg_terminate_backend" in each and "= 'backup-dump-1'" in each) for each in said] == [True] * ended

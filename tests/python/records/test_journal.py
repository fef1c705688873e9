import pytest
from rootless_backup.records import journal, status


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("x", "x"),
        (["first", "second"], "first"),
        ([97, 98], "ab"),
        ([255], r"\xff"),
        ([[255, 97], "b"], r"\xffa"),
        ([[["x"]]], ""),
        ([], ""),
        (None, ""),
        (7, ""),
        ({"a": "b"}, ""),
        ([999], r"\xe7"),
    ],
)
def test_takes_of_a_field_one_text(given, want):
    assert journal.one(given) == want


def test_shows_what_moves_a_terminal_as_text():
    found = {"__REALTIME_TIMESTAMP": "1", "MESSAGE": "a\x1b[31mb\rc\u2028d\te"}
    assert journal.Entry(found).message == r"a\x1b[31mb\rc\u2028d" + "\te"


@pytest.mark.parametrize("release", ["12", "13"])
def test_finds_the_records_of_archives_that_a_run_made(recorded_lines, release):
    entries = [journal.Entry(line) for line in recorded_lines("journal-debian-%s-success.json" % release)]
    said = [entry.fields[journal.RECORD] for entry in entries if journal.RECORD in entry.fields]
    assert [status.checked(status.ARCHIVE, each, journal.RECORD)["series"] for each in said] == ["files", "dumps"]
    kept = [entry.fields[journal.KEPT] for entry in entries if journal.KEPT in entry.fields]
    assert [len(status.checked(status.KEPT, each, journal.KEPT)["archives"]) > 0 for each in kept] == [True]
    assert entries[0].pid == "1"
    assert entries[0].fields["JOB_TYPE"] == "start"
    assert entries == sorted(entries, key=lambda entry: entry.time)

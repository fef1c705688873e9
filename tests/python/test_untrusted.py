"""What crashes, and what is said of it."""

import os

import pytest
from rootless_backup import untrusted

TRACE = """Traceback (most recent call last):
  File "x", line 1, in <module>
    raise ValueError("no")
ValueError: no"""


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("one\ntwo", "one\ntwo"),
        (TRACE, "ValueError: no"),
        ("before\n%s\nafter" % TRACE, "before\nValueError: no\nafter"),
        (
            "%s\n\nDuring handling of the above exception, another exception occurred:\n\n%s" % (TRACE, TRACE.replace("no", "yes")),
            "ValueError: yes",
        ),
        ("Traceback (most recent call last):\n  cut", "cut"),
    ],
)
def test_a_trace_is_read_from_its_last_line(text, want):
    assert untrusted.without_traces(text) == want


@pytest.mark.parametrize("heard", [True, False])
def test_the_journal_hears_of_a_crash_as_an_error_of_one_line(monkeypatch, capfd, heard):
    here = os.fstat(1)
    monkeypatch.setenv("JOURNAL_STREAM", "%d:%d" % (here.st_dev, here.st_ino + (not heard)))
    try:
        raise ValueError("no\nline")
    except ValueError as trouble:
        untrusted.crash(ValueError, trouble, trouble.__traceback__)
    said = capfd.readouterr()
    assert said.err.startswith("Traceback (most recent call last):")
    assert said.out == ("<3>ValueError: no\\nline\n" if heard else "")

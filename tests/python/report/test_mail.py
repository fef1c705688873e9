from rootless_backup.report import mail


def test_shows_what_ends_a_header_as_text():
    assert mail.header("one\r\nBcc: two") == "one  Bcc: two"

"""Mail from the control node."""

import email
import importlib.util
import os
import pathlib

import pytest
from ansible.errors import AnsibleActionFail

PATH = pathlib.Path(__file__).parents[2] / "plugins/plugin_utils/mail.py"
spec = importlib.util.spec_from_file_location("mail", PATH)
mail = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mail)
SCRIPT = '#!/bin/sh\necho "$@" > "$0.args"\ncp "${1#--file=}" "$0.conf" 2> /dev/null\ncat > "$0.in"\necho no >&2\nexit %d\n'


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program that writes down how it is called, and with what."""

    def made(name, code=0):
        path = tmp_path / name
        path.write_text(SCRIPT % code)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", "%s:%s" % (tmp_path, os.environ["PATH"]))
        return lambda what: (tmp_path / (name + what)).read_text(encoding="utf-8")

    return made


def test_goes_through_sendmail_and_no_text_is_a_header(program):
    sent = program("sendmail")
    letter = mail.read({"mail_to": ["admin@example.org", "root"], "mail_from": "ansible@example.org"})
    assert mail.send(letter, "2 with problems: wëb\nBcc: evil@example.org", "wiki → mend it\n.\n" + "x" * 2000) == ""
    assert sent(".args").strip() == "-oi -f ansible@example.org -- admin@example.org root"
    found = email.message_from_string(sent(".in"), policy=email.policy.default)
    assert (found["To"], found["Bcc"], found["Auto-Submitted"]) == ("admin@example.org, root", None, "auto-generated")
    assert found["Subject"] == "2 with problems: wëb Bcc: evil@example.org"
    assert found.get_content() == "wiki → mend it\n.\n" + "x" * 2000 + "\n"


def test_goes_to_a_server_by_settings_that_nobody_else_sees(program):
    sent = program("msmtp")
    assert mail.send(mail.read({"mail_to": "root", "mail_smtp": "host mail.example.org\npassword secret"}), "s", "t") == ""
    assert "secret" not in sent(".args")
    assert sent(".conf") == "host mail.example.org\npassword secret\n"


def test_what_keeps_it_from_being_sent_is_told(program, monkeypatch):
    program("sendmail", 3)
    assert mail.send(mail.read({"mail_to": ["root"]}), "s", "t").endswith("sendmail failed with exit code 3: no")
    monkeypatch.setattr(mail, "sendmail", lambda: "/nowhere/sendmail")
    assert "/nowhere/sendmail" in mail.send(mail.read({"mail_to": ["root"]}), "s", "t")
    assert mail.send(mail.read({}), "s", "t") == ""


@pytest.mark.parametrize("options", [{"mail_to": ["-oQ/tmp"]}, {"mail_to": ["a b"]}, {"mail_from": "a\nb"}, {"mail_to": ["a,b"]}])
def test_an_address_that_is_none_is_refused_by_its_name(options):
    with pytest.raises(AnsibleActionFail, match="%s: .* is not allowed. Use a mail address" % next(iter(options))):
        mail.read(options)

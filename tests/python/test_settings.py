"""Wrong settings: each is named, with what was given, what is allowed, and what may have been meant."""

import importlib.machinery
import importlib.util
import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


class Collection:
    """Finds the modules of the collection where the repository has them, by the names that Ansible gives them."""

    NAME = "ansible_collections.rootless.backup"

    def find_spec(self, name, _path=None, _target=None):
        if not (self.NAME + ".").startswith(name + ".") and not name.startswith(self.NAME + "."):
            return None
        place = ROOT.joinpath(*name[len(self.NAME) :].strip(".").split("."))
        if place.is_dir():
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        return importlib.util.spec_from_file_location(name, place.with_suffix(".py"))


@pytest.fixture(scope="module")
def settings():
    finder, before = Collection(), set(sys.modules)
    sys.meta_path.insert(0, finder)
    yield importlib.import_module("ansible_collections.rootless.backup.plugins.plugin_utils.settings")
    sys.meta_path.remove(finder)
    for name in set(sys.modules) - before:
        if name.startswith("ansible_collections"):
            del sys.modules[name]


def rules(name):
    path = ROOT / "roles" / name.split("_")[0] / "meta/settings.rules.json"
    return json.loads(path.read_text(encoding="utf-8"))


CALENDAR, SPAN, PATTERN = (
    "a calendar event as in systemd.time(7)",
    "a finite time span as in systemd.time(7)",
    "an absolute path or shell pattern",
)
# What is given, the name in the message, and what is allowed.
WRONG = [
    ("backup_state", "gone", "", "one of present, absent"),
    ("backup_paths", [], "", "a list of at least 1"),
    ("backup_paths", "/etc", "", "a list of at least 1"),
    ("backup_paths", ["etc"], "[0]", "an absolute path, without . and .. in it"),
    ("backup_paths", ["/etc", "/srv/../etc"], "[1]", "an absolute path, without . and .. in it"),
    ("backup_paths", ["/etc\n/srv"], "[0]", "an absolute path, without . and .. in it"),
    ("backup_exclude", ["*.tmp"], "[0]", PATTERN),
    ("backup_exclude", {"/srv": True}, "", "a list, each " + PATTERN),
    ("backup_one_file_system", "perhaps", "", "true or false"),
    ("backup_archive_prefix", "-web", "", "beginning with a letter or digit"),
    ("backup_archive_prefix", "web 1", "", "up to 100 letters, digits"),
    ("backup_archive_prefix", "w" * 101, "", "up to 100 letters, digits"),
    ("backup_schedule", "every night", "", CALENDAR),
    ("backup_schedule", "", "", CALENDAR),
    ("backup_schedule", "daily\n[Service]", "", CALENDAR),
    ("backup_randomized_delay", "infinity", "", SPAN),
    ("backup_randomized_delay", "90 moments", "", SPAN),
    ("backup_time_limit", "-1h", "", SPAN),
    ("backup_keep_daily", -1, "", "a whole number from 0 to 100000"),
    ("backup_keep_daily", "seven", "", "a whole number from 0 to 100000"),
    ("backup_keep_weekly", 1.5, "", "a whole number from 0 to 100000"),
    ("backup_keep_monthly", True, "", "a whole number from 0 to 100000"),
    ("backup_check_schedule", "25 o'clock", "", CALENDAR),
    ("backup_drill", "maybe", "", "true or false"),
    ("backup_drill_schedule", ["daily"], "", CALENDAR),
    ("backup_drill_sample", 0, "", "a whole number from 1 to 10000"),
    ("backup_drill_memory", "2 gigabytes", "", "a number of bytes with an optional K, M, G or T"),
    ("backup_mail_to", "root", "", "a list, each a mail address"),
    ("backup_mail_to", ["root\nBcc: all"], "[0]", "a mail address or the name of a user"),
    ("backup_mail_to", ["two words"], "[0]", "a mail address or the name of a user"),
    ("backup_mail_from", "nobody at all", "", "a mail address"),
    ("backup_mail_smtp", "password secret", "", "lines as in msmtp(1)"),
    ("backup_report_url", "ftp://example.org", "", "begins with https:// or http://"),
    ("backup_report_url", "https://example.org/?a=b", "", "without ? and #"),
    ("backup_report_command", "/bin/true", "", "a list, each text without control characters"),
    ("backup_report_success", "sometimes", "", "one of never, always, weekly"),
    ("backup_alert_after", 0, "", "a whole number from 1 to 8784"),
    ("backup_status_group", "wheel:adm", "", "the name of a group of the host"),
    ("backup_metrics", "metrics", "", "an absolute path of a directory"),
    ("backup_secrets_dir", "secrets", "", "an absolute path on the control node"),
    ("borg_repositories", [], "", "a list of at least 1"),
    ("borg_repositories", ["backup@host:repo"], "[0]", "ssh://user@host[:port]/path"),
    ("borg_repositories", ["ssh://backup@host"], "[0]", "ssh://user@host[:port]/path"),
    ("borg_known_hosts", ["a key"], "[0]", "a line of known_hosts"),
    ("borg_passphrase", "   ", "", "not only blanks"),
    ("borg_passphrase", "two\nlines", "", "one line without control characters"),
    ("borg_encryption", "aes", "", "one of repokey-blake2"),
    ("borg_compression", "zstd,99", "", "zstd[,1-22]"),
    ("borg_compression", "gzip", "", "none, lz4, zstd[,1-22]"),
    ("borg_dump_chunker_params", "buzhash", "", "`auto`, or parameters of Borg"),
    ("borg_lock_wait", 0, "", "a whole number from 1 to 86400"),
    ("borg_upload_limit", "10 MB/s", "", "a whole number from 0 to 10000000"),
    ("borg_check_duration", 5, "", "a whole number from 60 to 86400"),
    ("borg_packages", "borgbackup", "", "a list, each the name of a package"),
    ("borg_packages", ["borg backup"], "[0]", "the name of a package"),
    ("postgres_state", "", "", "one of present, absent"),
    ("postgres_exclude", "template1", "", "a list, each the exact name of a database"),
    ("postgres_dump_user", "post gres", "", "the name of a user of the host"),
    ("postgres_lock_wait", 90000, "", "a whole number from 1 to 86400"),
    ("mariadb_dump_socket", "/tmp/mysqld.sock", "", "not in /tmp or /var/tmp"),
    ("mariadb_dump_password", "a\nb", "", "one line without control characters"),
    ("sqlite_busy_timeout", 0, "", "a whole number from 1 to 3600"),
]


@pytest.mark.parametrize(("name", "value", "place", "allowed"), WRONG, ids=["%s-%r" % each[:2] for each in WRONG])
def test_a_wrong_setting_is_named_with_what_was_given_and_what_is_allowed(settings, name, value, place, allowed):
    rule = rules(name)["settings"][name]
    (said,) = settings.check(name, value, rule)
    assert said.startswith("%s%s: " % (name, place)) and said.endswith(".")
    before, told = said.split(" is not allowed. Use ")
    assert allowed in told
    given = before.split(": ", 1)[1]
    # One that is secret is in no message.
    wrong = value[int(place[1])] if place else value
    assert given == ("the value (a secret, not shown)" if rule.get("secret") else json.dumps(wrong))
    # Whatever was given, it is a line.
    assert "\n" not in said


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("backup_pths", "backup_paths"),
        ("backup_schedle", "backup_schedule"),
        ("backup_exlude", "backup_exclude"),
        ("borg_repositroies", "borg_repositories"),
        ("borg_passphase", "borg_passphrase"),
        ("postgres_exlude", "postgres_exclude"),
    ],
)
def test_a_misspelt_setting_is_answered_with_the_one_that_is_meant(settings, given, meant):
    assert settings.misspelt([given], rules(given)) == (["%s: there is no such setting. Did you mean %s?" % (given, meant)], [])


def test_there_are_sixty_wrong_settings_at_least():
    assert len(WRONG) >= 60


@pytest.mark.parametrize("value", ["", "daily", 5, True, ["/etc", "/srv"], [], 1.5])
def test_what_is_no_template_is_taken_as_it_is(settings, value):
    assert settings.values([{"settings": {"x": {}}}], {"x": value}, None) == {"x": value}


@pytest.mark.parametrize(
    "value", ["{{ y }}", "{% if y %}z{% endif %}", "['/etc']", "True", "#jinja2:x", ["/etc", "{{ y }}"], {"a": "b"}, None]
)
def test_what_ansible_may_make_something_else_of_is_rendered(settings, value):
    asked = []
    settings.values([{"settings": {"x": {}}}], {"x": value}, asked.append)
    assert asked == ["{{ x }}"]

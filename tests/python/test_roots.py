from rootless_backup import roots
from rootless_backup.voice import JOURNAL


def test_saves_each_root_once_deeper_ones_first_and_the_dumps_elsewhere():
    asked = ["/var", "/nowhere/a/", "/var", "/backup", "/backup/x", "/nowhere"]
    assert roots.what_to_save(asked, JOURNAL) == ["/nowhere/a", "/nowhere", "/var"]

import pytest
from rootless_backup.databases.postgresql import prove, throwaway


@pytest.mark.parametrize(
    ("name", "was", "now", "same"),
    [
        ("settings", ['search_path=public, "C d"', "work_mem=7MB"], ["work_mem=7MB", 'search_path="public", "C d"'], True),
        ("settings", ["work_mem=7MB"], None, False),
        ("role_settings", {"a": ["x=1", "y=2"]}, {"a": ["y=2", "x=1"]}, True),
        ("role_settings", {"a": ["x=1"]}, None, False),
        ("grants", [["a", "CONNECT", True], ["a", "CONNECT", True]], [["a", "CONNECT", True]], True),
        ("grants", [["a", "CONNECT", True]], [["a", "CONNECT", False]], False),
        ("tablespace", "far", "pg_default", False),
        ("datanew", 1, 1, True),
    ],
)
def test_a_property_is_the_same_however_it_is_written(name, was, now, same):
    assert (prove.comparable(name, was) == prove.comparable(name, now)) is same


def test_what_a_later_version_adds_is_compared(monkeypatch):
    monkeypatch.setattr(prove, "query", lambda *_: b"")
    monkeypatch.setattr(prove.client, "properties_in", lambda _lines: {"drill": {"datistemplate": False, "datanew": 2, "oid": 7}})
    assert list(prove.others({}, {"datanew": 1, "oid": 5, "datistemplate": False})) == ["its datanew is 2, but was 1"]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "Europe/../../x", "No/Such", "x y", None, 5])
def test_a_time_zone_that_this_machine_does_not_know_is_none(name):
    assert throwaway.Throwaway.zone.__get__(type("Server", (), {"server": {"timezone": name}})())() == {}


def test_a_manifest_of_the_first_versions_tells_of_its_server_by_the_name_of_the_cluster():
    assert prove.unrecorded("15-main")["version"] == 15
    with pytest.raises(ValueError, match="of which version of PostgreSQL"):
        prove.unrecorded("main")

import pytest
from rootless_backup.databases.mariadb import throwaway


@pytest.mark.parametrize(
    ("told", "options"),
    [
        ({}, []),
        (
            {"version": "10.11.6", "lower_case_table_names": 1, "innodb_page_size": 65536},
            ["--lower_case_table_names=1", "--innodb_page_size=65536"],
        ),
        ({"lower_case_table_names": 2, "innodb_page_size": "16384"}, []),
        ({"lower_case_table_names": "0 --plugin-load=x", "innodb_page_size": 5}, []),
    ],
)
def test_starts_a_server_like_the_one_that_was_dumped(told, options):
    assert throwaway.as_dumped(told) == options


def test_has_a_key_for_what_is_encrypted(tmp_path):
    (_plugin, keys) = throwaway.encrypting(str(tmp_path))
    lines = (tmp_path / "keys").read_text().splitlines()
    assert (keys.split("=")[1], len(lines), lines[0].split(";")[0], len(lines[0].split(";")[1])) == (str(tmp_path / "keys"), 255, "1", 64)

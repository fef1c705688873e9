import pytest
from rootless_backup.databases.postgresql import contents

# In pieces of any length.
LENGTHS = [1, 5, 4096]
ONE = "COPY public.h (a, b) FROM stdin;\n1\tx\n\\.\nCOPY public.h (a, b) FROM stdin;\n2\ty\n3\tz\n\\.\n"
OTHER = "COPY public.h (b, a) FROM stdin;\nz\t3\ny\t2\n\\.\nCOPY public.h (b, a) FROM stdin;\nx\t1\n\\.\n"


def test_counts_the_rows_of_each_table_and_takes_no_name_and_nothing_in_a_row_for_the_rows_of_another(pieces):
    name = 'public."x\nCOPY public.victim (a) FROM stdin;\n1\n\\.\ny"'
    text = (
        "SET a = 'b';\nCOPY " + name + ' ("c\n;", "d""e") FROM stdin;\n1\t\\\\.\n2\tCOPY public.victim (a) FROM stdin;\n\\.\n\n\n'
        "COPY public.victim (a) FROM stdin;\n\\.\n\nCOPY public.nothing  FROM stdin;\n\n\\.\n\n"
        "SELECT pg_catalog.setval('public.\"s''\"\"q;\"', 4, false);\nBEGIN;\nSELECT pg_catalog.lo_open('1', 2);\n"
        "SELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\nCOMMIT;\n"
    )
    results = [contents.scan(pieces(text, length)) for length in LENGTHS]
    assert results[1] == results[0]
    assert results[2] == results[0]
    tables = [(table, found["rows"], found["columns"]) for table, found in results[0]["tables"].items()]
    assert tables == [(name, 2, ['"c\n;"', '"d""e"']), ("public.victim", 0, ["a"]), ("public.nothing", 1, [])]
    assert results[0]["sequences"] == {'public."s\'""q;"': "4, false"}
    assert results[0]["large objects"]["number"] == 1


def summed(pieces, text):
    found = [contents.scan(pieces(text, length), {"public.h": ["a", "b"]})["tables"]["public.h"] for length in LENGTHS]
    return [(table["rows"], table["checksum"]) for table in found]


def test_sums_what_belongs_to_one_table_over_all_its_parts_in_any_order_and_by_named_columns(pieces):
    assert summed(pieces, OTHER) == summed(pieces, ONE)
    assert summed(pieces, OTHER.replace("z\t3", "z\t4")) != summed(pieces, ONE)
    assert summed(pieces, ONE)[0][0] == 3


@pytest.mark.parametrize("length", LENGTHS)
def test_says_that_the_same_rows_stand_otherwise_where_their_order_counts(pieces, length):
    assert contents.scan(pieces(ONE, length)) != contents.scan(pieces(OTHER, length))

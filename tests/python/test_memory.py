"""What the transaction remembers of what it laid down, as earlier versions wrote it."""

import importlib.util
import json
import pathlib
import sys
import types

import pytest

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"


@pytest.fixture
def transaction(monkeypatch):
    # The collection is installed nowhere here: its modules are found where they are.
    name = "ansible_collections.rootless.backup.plugins.module_utils"
    for end in range(1, name.count(".") + 2):
        package = types.ModuleType(".".join(name.split(".")[:end]))
        package.__path__ = [str(PLUGINS / "module_utils")] if package.__name__ == name else []
        monkeypatch.setitem(sys.modules, package.__name__, package)
    spec = importlib.util.spec_from_file_location("transaction", PLUGINS / "modules/transaction.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_shared_before_its_source_was_remembered_may_be_of_any_source(transaction, tmp_path):
    path = tmp_path / "memory.json"
    path.write_text(json.dumps({"paths": ["/a"], "shared": ["/b"]}))
    shared = transaction.remembered(str(path))["shared"]
    assert shared == {"/b": None}
    assert transaction.same_source(shared["/b"], "role postgres")


@pytest.mark.parametrize(("known", "ours", "same"), [("x", "x", True), ("x", "y", False), ("x", None, False), (None, None, False)])
def test_what_is_shared_is_of_one_source_and_never_of_a_name_alone(transaction, known, ours, same):
    assert transaction.same_source(known, ours) is same

"""Each machine has a start of its own in the window of all, also one that has none of the server's."""

import importlib.util
import json
import pathlib
import sys
import types

import pytest

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
SHARED = "ansible_collections.rootless.backup.plugins.plugin_utils"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


keys, numbers, slots = (loaded(PLUGINS / "plugin_utils" / (name + ".py")) for name in ("keys", "numbers", "slots"))
facts = types.SimpleNamespace(refuse=lambda _raw: None)
sys.modules[SHARED] = types.SimpleNamespace(answer=None, facts=facts, keys=keys, numbers=numbers, slots=slots)
accounts, start = loaded(PLUGINS / "plugin_utils/accounts.py"), loaded(PLUGINS / "lookup/start.py")
del sys.modules[SHARED]


class HostVars(dict):
    def raw_get(self, name):
        return self[name]


@pytest.fixture
def variables(tmp_path):
    names = ("store", "app", "db", "web")
    hostvars = HostVars({name: {"backup_secrets_dir": str(tmp_path / name)} for name in names})
    (tmp_path / "store").mkdir()
    known = {"app": {"uid": 70001, "slot": 0}, "db": {"uid": 70002}, "web": {"uid": 70003}}
    (tmp_path / "store/repository-accounts.json").write_text(json.dumps({"accounts": known, "address": "store", "port": 22}))
    (tmp_path / "store/repository-host-key").write_text(KEY)
    return lambda name: {"inventory_hostname": name, "groups": {"all": list(names)}, "hostvars": hostvars}


def begins(variables, name):
    known = variables(name)
    position = accounts.place(known, "store", known["hostvars"][name]["backup_secrets_dir"])["position"]
    return start.LookupModule().run(["22:00-06:00", position], known)[0]


def test_one_without_a_slot_starts_by_its_name_and_not_when_the_first_slot_does(variables):
    assert begins(variables, "app") == "22:00:00"
    assert len({begins(variables, name) for name in ("app", "db", "web")}) == 3
    assert begins(variables, "db") == slots.start("22:00-06:00", slots.by_name("db"))

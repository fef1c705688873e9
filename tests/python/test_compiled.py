"""What Jinja compiled is kept for the next host of a run, and means the same there."""

import importlib.util
import pathlib

import jinja2
import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/plugin_utils/compiled.py"
spec = importlib.util.spec_from_file_location("compiled", PATH)
compiled = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compiled)

TEXT = "{% if a %}\n{{ a | upper }}\n{% endif %}\n"


def render(directory, text=TEXT, **syntax):
    with compiled.kept("role", str(directory)):
        return jinja2.Environment(**syntax).from_string(text).render(a="x")


def test_a_text_is_compiled_once(tmp_path, monkeypatch):
    first = render(tmp_path)
    monkeypatch.setattr(jinja2.Environment, "_parse", None)
    assert render(tmp_path) == first
    with pytest.raises(TypeError):
        render(tmp_path, "{{ another }}")


def test_the_same_text_in_another_syntax_is_another(tmp_path):
    assert render(tmp_path) == "\nX\n"
    assert render(tmp_path, trim_blocks=True) == "X\n"
    assert render(tmp_path, block_start_string="[%") == TEXT.replace("{{ a | upper }}", "X")[:-1]


def test_afterwards_nothing_is_kept_whatever_happened(tmp_path):
    compiles = jinja2.Environment.compile
    with pytest.raises(jinja2.TemplateSyntaxError):
        render(tmp_path, "{{")
    assert jinja2.Environment.compile is compiles
    assert list(tmp_path.iterdir()) == []


def test_only_its_user_reads_it(tmp_path):
    render(tmp_path)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("rootless.backup-role", 0o600)]

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Finds what prints, or may print, something else than what `untrusted` made printable. */
const lint = `
import ast, json, sys

PRINTERS = {"print"}
WRITERS = {"sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write", "sys.stderr.buffer.write", "sys.stdout.writelines",
           "sys.stderr.writelines", "traceback.print_exc", "traceback.print_exception", "pprint.pprint", "warnings.warn", "os.system"}
ENDS = {"sys.exit", "SystemExit", "exit", "quit"}
SPAWN = {"subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"}
# What says nothing but its own words, or is given to systemd.
QUIET = {"systemctl", "chmod", "chown", "rm"}


def dotted(node):
    if isinstance(node, ast.Attribute):
        return dotted(node.value) + "." + node.attr
    return node.id if isinstance(node, ast.Name) else "?"


def number(node):
    """Whether it can only be an exit code, or words of the program's own."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.IfExp):
        return number(node.body) and number(node.orelse)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, (ast.Add, ast.Sub)) and number(node.left) and number(node.right)
    return isinstance(node, ast.Call) and dotted(node.func) == "int"


def check(path):
    for node in ast.walk(ast.parse(open(path, encoding="utf-8").read())):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in PRINTERS | WRITERS:
            yield node.lineno, name
        elif name in ENDS and node.args and not number(node.args[0]):
            yield node.lineno, name + " of a text"
        elif name == "os.write" and isinstance(node.args[0], ast.Constant):
            yield node.lineno, name
        elif name.startswith("os.exec"):
            yield node.lineno, name
        elif name in SPAWN and not {"stdout", "capture_output"} & {each.arg for each in node.keywords}:
            first = node.args[0].elts[0] if node.args and isinstance(node.args[0], ast.List) and node.args[0].elts else None
            if not (isinstance(first, ast.Constant) and first.value in QUIET):
                yield node.lineno, name + " without stdout="


print(json.dumps([[path, line, what] for path in sys.argv[1:] for line, what in check(path)]))
`;

const below = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? below(join(directory, entry.name)) : [join(directory, entry.name)],
  );
const isPython = (path: string): boolean =>
  path.endsWith('.py') || /^#!.*\bpython/.test(readFileSync(path, 'utf8').split('\n')[0] ?? '');
const home = 'roles/backup/files/usr/local/lib/backup/rootless_backup';
const ofBorg = home.replace('/backup/', '/borg/');

/** What the programs may do all the same, and why. */
const allowed: Readonly<Record<string, readonly [what: string, why: string][]>> = {
  [`${home}/untrusted.py`]: [['print', 'here a text is made printable']],
  [`${ofBorg}/borg/call.py`]: [['os.execvpe', 'a command of Borg’s own, by hand: raw, for programs that read it']],
  [`${ofBorg}/borg/by_hand.py`]: [['os.execv', 'the same: its words come through raw; backupctl makes them printable']],
  [`${home}/report/delivery.py`]: [
    ['subprocess.run without stdout=', 'the administrator’s own command, into the journal'],
  ],
  [`${home}/restore/services.py`]: [['subprocess.run without stdout=', 'backupctl itself, which prints as here']],
  [`${home}/systemd.py`]: [
    [
      'subprocess.Popen without stdout=',
      'systemd-run(1), by a restore: itself again, in its unit, where it prints as here',
    ],
  ],
};

const programs = readdirSync('roles').flatMap((role) =>
  (existsSync(`roles/${role}/files`) ? below(`roles/${role}/files`) : []).filter(isPython),
);

it('there is something to be held to it', () => {
  expect(programs.filter((path) => path.startsWith(`${home}/restore/`)).length).toBeGreaterThan(5);
});

/** What was found in all of them, by one call: a Python for each takes longer than the reading. */
function findings(): [path: string, line: number, what: string][] {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', lint, ...programs], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as [string, number, string][];
}

describe('a program of the host prints by untrusted.say, tell and die only', () => {
  const all = findings();
  it.each(programs)('%s', (path) => {
    expect(
      all.filter(([where, , what]) => where === path && !(allowed[path] ?? []).some(([each]) => each === what)),
    ).toEqual([]);
  });
});

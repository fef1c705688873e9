import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const lib = 'files/usr/local/lib/backup/rootless_backup';

/** What an engine lacks of the contract in `engine.py`, or has with other parameters. */
const lacking = (name: string, place: string): unknown => {
  const script = `
import importlib, inspect, json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, 'roles/backup/${lib}/..')
import rootless_backup
rootless_backup.__path__.append(sys.argv[2])
contract = importlib.import_module('rootless_backup.engine')
found = []
def parameters(method):
    return [(each.name.lstrip('_'), each.default, each.kind) for each in inspect.signature(method).parameters.values()]
for kind, module in (('Engine', 'engine'), ('Repository', 'repository')):
    asked, given = getattr(contract, kind), getattr(importlib.import_module('rootless_backup.%s.%s' % (sys.argv[1], module)), kind)
    if not issubclass(given, asked):
        found.append(kind)
    for key, method in inspect.getmembers(asked, inspect.isfunction):
        if 'NotImplementedError' not in inspect.getsource(method):
            continue
        own = getattr(given, key)
        if own is method:
            found.append('%s.%s is missing' % (kind, key))
        elif parameters(inspect.unwrap(own)) != parameters(method):
            found.append('%s.%s has other parameters' % (kind, key))
if not importlib.import_module('rootless_backup.%s.engine' % sys.argv[1]).Engine.title:
    found.append('Engine.title')
print(json.dumps(found))`;
  const { stdout, stderr, status } = spawnSync('python3', ['-IBc', script, name, place], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
};

it.each([
  ['borg', `roles/borg/${lib}`],
  ['tar', `tests/engines/tar/${lib}`],
])('the engine %s is what engine.py asks of one', (name, place) => expect(lacking(name, place)).toEqual([]));

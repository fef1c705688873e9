import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** Calls a function of a Python program, with and to JSON. */
function call(program: string, expression: string, given: unknown): unknown {
  const script = `
import importlib.machinery, importlib.util, json, sys
sys.dont_write_bytecode = True
# Where the programs look for what they share.
sys.path.insert(0, 'roles/borg/files/usr/local/lib/backup')
import rootless_backup.databases
# On a host they lie in one directory.
rootless_backup.databases.__path__ += ['roles/%s/files/usr/local/lib/backup/rootless_backup/databases' % role for role in ('postgres', 'mariadb', 'sqlite')]
loader = importlib.machinery.SourceFileLoader('program', ${JSON.stringify(program)})
program = importlib.util.module_from_spec(importlib.util.spec_from_loader('program', loader))
loader.exec_module(program)
given = json.load(sys.stdin)
print(json.dumps(${expression}))`;
  const { stdout, stderr, status } = spawnSync('python3', ['-c', script], { input: JSON.stringify(given), encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** A module of the package on the host. */
const inPackage = (name: string): string => `roles/borg/files/usr/local/lib/backup/rootless_backup/${name}.py`;

describe('backup-postgresql', () => {
  const module = (name: string): string => `roles/postgres/files/usr/local/lib/backup/rootless_backup/databases/postgresql/${name}.py`;
  it.each([
    ["ALTER ROLE app WITH LOGIN PASSWORD 'x';", true],
    ['ALTER ROLE "odd "" role" SET search_path TO a;', true],
    ["ALTER ROLE app SET a TO 'two\nlines;\nof it';", true],
    ['ALTER ROLE "app" WITH LOGIN;', false],
    ['ALTER ROLE fresh WITH LOGIN;', false],
    ['GRANT app TO "odd "" role" WITH INHERIT TRUE GRANTED BY postgres;', true],
    ['GRANT app TO fresh GRANTED BY postgres;', false],
    ['CREATE ROLE app;', false],
    ['GRANT SET ON PARAMETER work_mem TO app;', false],
  ])('leaves out of the globals what changes roles that are there: %s', (statement, want) => {
    expect(call(module('roles'), `program.changes(given.encode(), {b'app', b'"odd "" role"'})`, statement)).toBe(want);
  });

  it('takes what pg_dumpall and pg_restore write apart into statements, whatever stands in a name or a text', () => {
    const parts = ['SET a = b;', "ALTER ROLE app SET a TO 'it''s;\n\nodd';", 'CREATE ROLE "a;\n;b";', 'CREATE ROLE "o\'brien";', "COMMENT ON ROLE bob IS 'the 3.5\" disk';", 'CREATE ROLE "x\n\\! touch /tmp/x\n--";', 'CREATE ROLE carol;'];
    const script = `-- User "it's"\n\n\\restrict abc\n${parts.join('\n')}\n\n\\unrestrict abc\n-- end\n`;
    // In pieces of any length.
    for (const length of [1, 2, 3, 7, 1000])
      expect(call(module('script'), `[part.decode() for part in program.Script(type("Pieces", (), {"read": lambda self, _: text.read(${length})})()).statements()] if (text := __import__("io").BytesIO(given.encode())) else 0`, script)).toEqual(parts);
  });

  const scanned = (text: string, apart = 'None'): unknown =>
    call(module('contents'), `[program.scan(type("Pieces", (), {"read": lambda self, _: text.read(length)})(), ${apart}) for length in (1, 5, 4096) for text in [__import__("io").BytesIO(given.encode())]]`, text);

  it('counts the rows of each table as they stand in a dump; no name, and nothing in a row, is taken for the rows of another', () => {
    const name = 'public."x\nCOPY public.victim (a) FROM stdin;\n1\n\\.\ny"';
    const text = `SET a = 'b';\nCOPY ${name} ("c\n;", "d""e") FROM stdin;\n1\t\\\\.\n2\tCOPY public.victim (a) FROM stdin;\n\\.\n\n\nCOPY public.victim (a) FROM stdin;\n\\.\n\nCOPY public.nothing  FROM stdin;\n\n\\.\n
SELECT pg_catalog.setval('public."s''""q;"', 4, false);\nBEGIN;\nSELECT pg_catalog.lo_open('1', 2);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\nCOMMIT;\n`;
    const results = scanned(text) as { tables: Record<string, { rows: number; columns: string[] }>; sequences: unknown; 'large objects': { number: number } }[];
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(Object.entries(results[0]?.tables ?? {}).map(([table, { rows, columns }]) => [table, rows, columns])).toEqual([[name, 2, ['"c\n;"', '"d""e"']], ['public.victim', 0, ['a']], ['public.nothing', 1, []]]);
    expect(results[0]?.sequences).toEqual({ 'public."s\'""q;"': '4, false' });
    expect(results[0]?.['large objects'].number).toBe(1);
  });

  it('sums what belongs to one table over all its parts, in any order and by named columns, where it is told to', () => {
    const one = 'COPY public.h (a, b) FROM stdin;\n1\tx\n\\.\nCOPY public.h (a, b) FROM stdin;\n2\ty\n3\tz\n\\.\n';
    const other = 'COPY public.h (b, a) FROM stdin;\nz\t3\ny\t2\n\\.\nCOPY public.h (b, a) FROM stdin;\nx\t1\n\\.\n';
    const sum = (text: string): unknown => (scanned(text, '{"public.h": ["a", "b"]}') as { tables: Record<string, { checksum: string; rows: number }> }[]).map(({ tables: { 'public.h': table } }) => [table?.rows, table?.checksum]);
    expect(sum(other)).toEqual(sum(one));
    expect(sum(other.replace('z\t3', 'z\t4'))).not.toEqual(sum(one));
    expect((sum(one) as unknown[][])[0]?.[0]).toBe(3);
  });

  it.each([
    ['public', ['public']], ['', []], ['"a""b", "C d", e, pg_temp', ['a"b', 'C d', 'e', 'pg_temp']], ['"$user", public', ['$user', 'public']], ['""', ['']],
    ['public;ALTER/**/ROLE/**/mallory/**/SUPERUSER;--', ['public;ALTER/**/ROLE/**/mallory/**/SUPERUSER;--']], ["'; DROP", null], ['a,', null], ['a b', null], ['"a', null], ['a"b"', null],
  ])('splits a setting that is a list of names as pg_dump does: %s', (value, want) => {
    expect(call(module('sql'), 'program.split_list(given)', value)).toEqual(want);
  });
});

describe('backup-borg', () => {
  const [policy, create, visibility, roots] = ['borg/policy', 'borg/create', 'visibility', 'roots'].map(inPackage) as [string, string, string, string];
  const passing = (event: object): unknown => call(policy, 'program.is_passing(given)', event);

  it.each([
    ['/a/file: file changed while we backed it up', true],
    ['/a/file: file inode changed (race condition), skipping file', true],
    ["/a/file: open: [Errno 2] No such file or directory: 'file'", true],
    ["/a/file: open: [Errno 13] Permission denied: 'file'", false],
    ["/a/file: read: [Errno 5] Input/output error: 'file'", false],
    ["/x: file changed while we backed it up: open: [Errno 13] Permission denied: 'x: file changed while we backed it up'", false],
    ["/x: stat: [Errno 2] No such file or directory: 'y': open: [Errno 13] Permission denied: 'z'", false],
    ['something nobody has ever seen', false],
  ])('lets a warning of Borg 1.2 pass only if it is of a file that changed: %s', (message, want) => {
    expect(passing({ message })).toBe(want);
  });

  it.each([['FileChangedWarning', true], ['BackupFileNotFoundError', true], ['BackupPermissionError', false], ['BackupIOError', false]])(
    'lets a warning of Borg 1.4 pass by its id, whatever its text says: %s', (msgid, want) => {
      expect(passing({ msgid, message: '/x: file changed while we backed it up' })).toBe(want);
    });

  const [fine, middle, coarse] = ['fine', 'middle', 'coarse'];
  const chunkRules = [[16 * 2 ** 30, fine], [64 * 2 ** 30, middle], [null, coarse]];
  it.each([
    [0, null, fine],
    [15, null, fine],
    [16, null, middle],
    [63, fine, middle],
    [64, fine, coarse],
    [10_000, middle, coarse],
    [15, middle, middle],
    [5, middle, middle],
    [3, middle, fine],
    [17, coarse, coarse],
    [15, coarse, middle],
    [1, coarse, fine],
    [15, 'fixed,8192', fine],
    [30, '', middle],
  ])('cuts %d GiB of dumps, cut by %s before, by %s', (size, before, want) => {
    expect(call(create, 'program.chunks_for(given[0], given[1] << 30, given[2])', [chunkRules, size, before])).toBe(want);
  });

  it('reads mountinfo with its escapes, the uppermost mount of a place', () => {
    const text = '1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /with\\040space rw - ext4 b rw\n3 1 8:3 /sub /with\\040space rw shared:4 master:2 - ext4 c rw\n';
    expect(call(visibility, 'program.mounts(given)', text)).toEqual({ '/': ['8:1', '/', false], '/with space': ['8:3', '/sub', true] });
  });

  it.each([
    ['/usr', ['8:1', '/usr']],
    ['/home/alice', ['8:2', '/homes/alice']],
    ['/', ['8:1', '/']],
  ])('knows what one sees at %s', (path, want) => {
    expect(call(visibility, 'program.at({"/": ("8:1", "/", False), "/home": ("8:2", "/homes", True)}, given)', path)).toEqual(want);
  });

  const root = '1 0 8:1 / / rw shared:1 - ext4 a rw\n';
  it.each([
    ['nothing', '', []],
    ['the same place made read-only', '2 1 8:1 /home /home ro shared:9 master:1 - ext4 a rw\n', []],
    ['a directory made inaccessible', '2 1 0:5 /systemd/inaccessible/dir /home ro shared:9 master:3 - tmpfs t rw\n', ['/home']],
    ['an empty file system', '2 1 0:9 / /home/alice ro shared:9 - tmpfs t rw\n', ['/home/alice']],
    ['something above a saved path', '2 1 0:9 / /srv ro shared:9 - tmpfs t rw\n', ['/srv']],
    ['something that is excluded', '2 1 0:9 / /home/cache/x ro shared:9 - tmpfs t rw\n', []],
    ['something elsewhere', '2 1 0:9 / /dev ro shared:9 - tmpfs t rw\n', []],
    ['what the host mounted a moment ago', '2 1 0:9 / /home/new rw shared:9 master:8 - tmpfs t rw\n', []],
  ])('sees what a sandbox hides: %s', (_, extra, want) => {
    const hostTable = `${root}3 1 0:5 / /run rw shared:3 - tmpfs t rw\n`;
    const messages = call(visibility, 'program.differences(program.mounts(given[0]), program.mounts(given[1]), ["/home", "/srv/data"], ["/home/cache"])', [hostTable, hostTable + extra]) as string[];
    expect(messages.map((message) => /hides (\S+)/.exec(message)?.[1])).toEqual(want);
  });

  it('saves each root once, deeper ones first, and the dumps elsewhere', () => {
    expect(call(roots, 'program.what_to_save(given, None)', ['/var', '/nowhere/a/', '/var', '/backup', '/backup/x', '/nowhere'])).toEqual(['/nowhere/a', '/nowhere', '/var']);
  });
});

describe('backup-mariadb', () => {
  const mariadb = 'roles/mariadb/files/usr/local/lib/backup/rootless_backup/databases/mariadb.py';

  it.each([
    ['plain', 'plain'],
    ['my app', 'my%20app'],
    ['..', '%2E%2E'],
    ['a/b', 'a%2Fb'],
    ['%', '%25'],
    ['é', 'é'],
    ['\u{1f}\u{7f}`', '%1F%7F%60'],
  ])('names the dump of %j %s', (name, want) => expect(call(mariadb, 'program.file_name(given)', name)).toBe(`databases/${want}.sql`));

  it.each(['あ', '/', 'ü'])('names the longest name of %s so that a file may have it', (letter) => {
    expect(Buffer.byteLength(`${String(call(mariadb, 'program.file_name(given)', letter.repeat(64))).split('/')[1]}.partial`)).toBeLessThanOrEqual(255);
  });

  it('quotes what an option file holds', () => {
    expect(call(mariadb, 'program.client_options("a", "/s", given)', `#1 "x" \\n 'y' ;`)).toBe(
      `[client]\nprotocol="socket"\nsocket="/s"\nuser="a"\npassword="#1 \\"x\\" \\\\n 'y' ;"\n`,
    );
  });

  it('reads a field as it was', () => expect(call(mariadb, 'program.unescaped(given)', 'a\\nb\\\\n\\tc')).toBe('a\nb\\n\tc'));

  it('takes a dump for whole only if it says so at its end', () => {
    const whole = 'program.os.path.getsize and [program.is_complete(p) for p in [(lambda f: (f.write(text.encode()), f.flush(), f.name)[2])(program.tempfile.NamedTemporaryFile(delete=False)) for text in given]]';
    expect(call(mariadb, whole, ['x\n-- Dump completed\n', 'x\n-- Dump completed\nINSERT', 'INSERT', '', '-- Dump completed\n'])).toEqual([true, false, false, false, false]);
  });
});

describe('backup-sqlite', () => {
  const sqlite = 'roles/sqlite/files/usr/local/lib/backup/rootless_backup/databases/sqlite.py';
  const within = `(lambda top: [program.os.makedirs(program.os.path.dirname(top + path), exist_ok=True) or open(top + path, "w").close() for path in given[0]]
    and [path[len(top):] for path in program.matches(top + given[1])])(__import__("tempfile").mkdtemp())`;
  const files = ['/a/x.db', '/a/.y.db', '/a/x.db-wal', '/a/b/z.db', '/a/b/c/w.db', '/a/[1].db', '/a/1.db'];

  it.each([
    ['/a/x.db', ['/a/x.db']],
    ['/a/*.db', ['/a/.y.db', '/a/1.db', '/a/[1].db', '/a/x.db']],
    ['/a/**/*.db', ['/a/.y.db', '/a/1.db', '/a/[1].db', '/a/b/c/w.db', '/a/b/z.db', '/a/x.db']],
    ['/*/b/?.db', ['/a/b/z.db']],
    ['/a/[[]1].db', ['/a/[1].db']],
    ['/a/[1].db', ['/a/1.db']],
    ['/a/nothing*', []],
  ])('finds by %s what Borg leaves out by it', (pattern, want) => expect(call(sqlite, within.replaceAll('\n', ' '), [files, pattern])).toEqual(want));
});

describe('backup-postgresql', () => {
  const dump = 'roles/postgres/files/usr/local/lib/backup/rootless_backup/databases/postgresql/dump.py';
  const base = 'roles/borg/files/usr/local/lib/backup/rootless_backup/databases/base.py';

  it.each([
    ['plain', 'plain.dump'],
    ['my app', 'my%20app.dump'],
    ['..', '%2E%2E.dump'],
    ['a/b', 'a%2Fb.dump'],
    ['%', '%25.dump'],
    ['é', '%C3%A9.dump'],
    ['globals.sql', 'globals%2Esql.dump'],
  ])('names the dump of %j %s', (name, want) => {
    expect(call(dump, 'program.file_name(given)', name)).toBe(want);
  });

  it.each([
    ['/var/lib/postgresql/*/*', '/var/lib/postgresql/15/main', true],
    ['/var/lib/postgresql/*/*', '/var/lib/postgresql/15/main/base', true],
    ['/var/lib/postgresql/*/*', '/var/lib/postgresql/15', false],
    ['/data', '/database', false],
    ['/data/**', '/mnt/pg', false],
    ['/var/lib/postgresql/[0-9]*/*', '/var/lib/postgresql/.ssh/id_ed25519', false],
    ['/data', '/data/pg', true],
  ])('knows that %s covers %s: %s', (pattern, path, want) => {
    expect(call(base, 'program.covers(given[0], given[1])', [pattern, path])).toBe(want);
  });
});

describe('what the drill is held to', () => {
  const [paths, records, stage] = ['paths', 'records/archive', 'drill/stage'].map(inPackage) as [string, string, string];

  it.each([
    ['/var/cache', '/var/cache/apt/x', true], ['/var/cache', '/var/cached', false], ['/home/*/.cache', '/home/a/.cache/x', true],
    ['/home/*/.cache', '/home/a/b/.cache/x', false], ['/srv/**/*.log', '/srv/a/b/x.log', true], ['/srv/**/*.log', '/srv/x.log', true],
    ['/srv/**/*.log', '/srv/x.logs', false], ['/d/[0-9]?', '/d/1x', true], ['/d/[!0-9]', '/d/1', false], ['/a.b', '/axb', false],
  ])('knows that the exclude %s leaves %s out: %s', (pattern, path, want) => {
    expect(call(paths, 'bool(program.re.compile(program.shell_pattern(given[0]), program.re.DOTALL).fullmatch(given[1]))', [pattern, path])).toBe(want);
  });

  it('is a sample in which all that was offered has the same chance', () => {
    const counts = call(records, '[sum(n in s for s in given) for n in range(10)] if not given.extend((lambda s: [s.offer(n) for n in range(10)] and s.taken)(program.Sample(3)) for _ in range(3000)) else 0', []) as number[];
    expect(counts.reduce((a, b) => a + b)).toBe(9000);
    for (const count of counts) expect(Math.abs(count - 900)).toBeLessThan(150);
  });

  it('takes the newest archive each time, and each older one in its turn', () => {
    const turn = '(lambda directory: [program.chosen(given, directory + "/turn") for _ in range(5)])(program.tempfile.mkdtemp())';
    expect(call(stage, turn, ['a', 'b', 'c', 'd'])).toEqual([['d', 'c'], ['d', 'b'], ['d', 'a'], ['d', 'c'], ['d', 'b']]);
    expect(call(stage, turn, ['a'])).toEqual(Array(5).fill(['a']));
    expect(call(stage, turn, [])).toEqual(Array(5).fill([]));
  });
});

describe('backup-report', () => {
  const home = 'roles/borg/files/usr/local/lib/backup/rootless_backup';
  const due = (policy: string, daysAgo: number): unknown =>
    call(`${home}/report/program.py`, 'program.due(given[0], type("State", (), {"last_success_told": lambda self: program.time.time() - given[1] * 86400})())', [policy, daysAgo]);

  it.each([
    ['never', 400, false], ['always', 0, true], ['weekly', 3, false], ['weekly', 7, true], ['weekly', 400, true],
    // The clock was set back: better one mail too many.
    ['weekly', -3, true],
  ])('tells of a success %s, %d days after it last did: %s', (policy, days, want) => expect(due(policy, days)).toBe(want));

  it('shows what moves a terminal or ends a header as text', () => {
    expect(call(`${home}/records/journal.py`, 'program.Entry({"__REALTIME_TIMESTAMP": "1", "MESSAGE": given}).message', 'a\u001b[31mb\rc\u2028d\te')).toBe(String.raw`a\x1b[31mb\rc\u2028d` + '\te');
    expect(call(`${home}/report/mail.py`, 'program.header(given)', 'one\r\nBcc: two')).toBe('one  Bcc: two');
  });

  it.each([
    ['x', 'x'], [['first', 'second'], 'first'], [[97, 98], 'ab'], [[255], String.raw`\xff`], [[[255, 97], 'b'], String.raw`\xffa`], [[[['x']]], ''],
    [[], ''], [null, ''], [7, ''], [{ a: 'b' }, ''], [[999], String.raw`\xe7`],
  ])('takes of a field of the journal one text: %j', (given, want) => expect(call(`${home}/records/journal.py`, 'program.one(given)', given)).toBe(want));
});

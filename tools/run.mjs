/**
 * Runs build, tests, demo and bench; plain JavaScript, because it is what installs everything else.
 * What it needs of the machine: Node 18 or later with npm, and for all that boots hosts root on Debian 12 or 13.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
const [command = '', ...args] = process.argv.slice(2);

/** Runs a program and ends this one if it fails. */
function run(program, programArgs, env = {}) {
  const { status, error } = spawnSync(program, programArgs, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

const step = (text) => console.log(`\n== ${text}`);

function installModules() {
  const installed = 'node_modules/.package-lock.json';
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs) return;
  step('Installing the development packages (npm ci)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

const machinePackages = [
  'ansible-core',
  'ca-certificates',
  'debootstrap',
  'git',
  'iproute2',
  'openssh-client',
  'python3-venv',
  'systemd-container',
  'util-linux',
];

/** What opens a page for the tests; a machine that boots hosts needs none. */
const browserPackages = ['chromium'];

function installMachine(packages = machinePackages) {
  const release = readFileSync('/etc/os-release', 'utf8');
  if (process.getuid?.() !== 0 || !/^ID=debian$/m.test(release) || !/^VERSION_ID="1[23]"$/m.test(release)) {
    console.error(
      'Booting test hosts, and installing a browser, needs root on Debian 12 or 13. `npm run test:unit` needs neither.',
    );
    process.exit(1);
  }
  const missing = packages.filter(
    (name) =>
      !/^ii/.test(
        spawnSync('dpkg-query', ['--show', '--showformat=${db:Status-Abbrev}', name], { encoding: 'utf8' }).stdout,
      ),
  );
  if (missing.length === 0) return;
  step(`Installing what the tests need (apt-get install ${missing.join(' ')})`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '--quiet=2'], env);
  run('apt-get', ['install', '--quiet=2', '--yes', '--no-install-recommends', ...missing], env);
}

/** Bundles a TypeScript program and runs it. */
function program(entry, programArgs) {
  // A name of its own each: two that run at once must not take each other's place.
  const output = `build/${entry.replaceAll('/', '-').replace(/\.ts$/, '.mjs')}`;
  run('node_modules/.bin/esbuild', [
    entry,
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--target=node18',
    '--packages=external',
    '--log-level=warning',
    `--outfile=${output}`,
  ]);
  run(process.execPath, [output, ...programArgs]);
}

const vitest = (config, vitestArgs = [], env = {}) =>
  run('node_modules/.bin/vitest', ['run', '--config', config, ...vitestArgs], env);

/** How many rounds a race runs in `npm run test:long`; in `npm test` it is the few that the suite itself says. */
const longRounds = process.env.ATTACK_ROUNDS ?? '30';

const commands = {
  build: () => program('src/main.ts', args),
  check: () => program('tools/check.ts', args),
  commands: () => program('tools/commands.ts', args),
  collection: () => vitest('tests/collection.config.ts', args),
  unit() {
    vitest('tests/unit.config.ts', args);
    // Those of the package on the host; who names a file means one of the others.
    if (args.length === 0) program('tools/check.ts', ['pytest']);
  },
  host() {
    installMachine();
    vitest('tests/host.config.ts', args);
  },
  browser() {
    installMachine(browserPackages);
    vitest('tests/browser.config.ts', args);
  },
  long() {
    installMachine([...machinePackages, ...browserPackages]);
    const suites = args.length === 0 ? ['tests/attacks', 'tests/long'] : args;
    const env = { ATTACK_ROUNDS: longRounds };
    vitest('tests/host.config.ts', ['--testTimeout=3600000', '--hookTimeout=3600000', ...suites], env);
    if (args.length > 0) return;
    // 80 and 20 kills on each release, at instants of their own.
    vitest(
      'tests/faults.config.ts',
      ['--testTimeout=3600000', 'tests/faults', '-t', 'is killed while|thousand entries'],
      env,
    );
    vitest('tests/host.config.ts', ['--testTimeout=3600000', 'tests/host/restore.test.ts', '-t', 'and killed'], env);
    vitest(
      'tests/host.config.ts',
      ['tests/host/mariadb.test.ts', '-t', 'is dumped with every database|later version'],
      env,
    );
  },
  format() {
    const files = ['eslint.config.mjs', '{src,tests,tools}/**/*.{ts,mjs}'];
    run('node_modules/.bin/prettier', [...(args.length === 0 ? ['--write'] : args), '--log-level=warn', ...files]);
    if (args.length === 0) program('tools/format.ts', []);
  },
  faults() {
    installMachine();
    vitest('tests/faults.config.ts', args);
  },
  bench() {
    installMachine();
    program('tools/bench/main.ts', args);
  },
  dev() {
    installMachine();
    program('tools/dev.ts', args);
  },
  picture() {
    installMachine([...machinePackages, ...browserPackages]);
    program('tools/picture.ts', args);
  },
  release: () => program('tools/release.ts', args),
  demo() {
    installMachine();
    program('tools/demo.ts', args);
  },
  test() {
    installMachine();
    step('Static gates');
    commands.check();
    step('Unit tests');
    vitest('tests/unit.config.ts');
    step('The page of the fleet, in a browser');
    commands.browser();
    step('Host tests and the fault matrix (the first run makes the Debian roots: some minutes)');
    vitest('tests/booted.config.ts');
  },
};

if (!(command in commands)) {
  console.error(`usage: node tools/run.mjs ${Object.keys(commands).join(' | ')}`);
  process.exit(2);
}
installModules();
commands[command]();

/**
 * `npm run dev [-- --debian 13] [ROLE …]`: a host stays up; each save in src, roles or plugins is built, installed and applied to it.
 * Without roles: borg and postgres. Control-C takes the host down.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, watch } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildTarball, copyTree, temporary } from '../tests/lab/collection.ts';
import { Lab } from '../tests/lab/lab.ts';
import { releases } from '../tests/lab/root.ts';

const usage = (message: string): never => {
  console.error(`${message}\nusage: npm run dev [-- --debian ${releases.join('|')}] [ROLE …]`);
  process.exit(2);
};
const { values, positionals } = ((): { values: { debian: string }; positionals: string[] } => {
  try {
    return parseArgs({ options: { debian: { type: 'string', default: '12' } }, allowPositionals: true });
  } catch (error) {
    return usage((error as Error).message);
  }
})();
const debian = releases.find((release) => String(release) === values.debian) ?? usage(`--debian is ${values.debian}`);
const roles = positionals.length > 0 ? positionals : ['borg', 'postgres'];

const directory = await temporary();
const lab = await Lab.open();
const host = await lab.boot({ name: 'dev', debian });

/** Makes the host what the working tree says; a fault is shown, and the next save tries again. */
async function converge(): Promise<void> {
  const since = Date.now();
  let became = 'The host is what the working tree says';
  try {
    if (spawnSync(process.execPath, ['tools/run.mjs', 'build'], { stdio: 'inherit' }).status !== 0)
      throw new Error('npm run build failed');
    const work = await mkdtemp(join(directory, 'save-'));
    await copyTree(join(work, 'clone'));
    await lab.installCollection(await buildTarball(join(work, 'clone'), work));
    const { stdout } = await lab.roles(roles, {}, { args: ['--diff'] });
    console.log(stdout.trim());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    became = 'It failed: the host is as it was before';
  }
  console.log(
    `\n${became}, ${((Date.now() - since) / 1000).toFixed(1)} s. A shell on the host, in another terminal:\n  ${lab.shell(host)}\nWaiting for the next save; Control-C ends it.`,
  );
}

// One at a time; what is saved meanwhile is applied after it. So is what the build wrote, once: the second build writes nothing.
let wanted: NodeJS.Timeout | undefined;
let running = false;
let again = false;
function saved(): void {
  if (running) {
    again = true;
    return;
  }
  clearTimeout(wanted);
  wanted = setTimeout(() => {
    running = true;
    again = false;
    void converge().finally(() => {
      running = false;
      if (again) saved();
    });
  }, 200);
}

// Node 18 watches no tree, so each directory is watched.
for (const top of ['src', 'roles', 'plugins'])
  for (const each of [
    top,
    ...readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name)),
  ])
    watch(each, saved);
saved();

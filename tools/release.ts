/**
 * `npm run release`: everything of a release but the upload, which it prints. It changes nothing but the changelog.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gates } from './gates/gates.ts';
import { Toolbox } from './gates/toolbox.ts';
import { buildTarball, temporary } from '../tests/lab/collection.ts';
import { run } from '../tests/lab/process.ts';

const step = (text: string): void => console.log(`\n== ${text}`);
function refuse(text: string): never {
  console.error(text);
  process.exit(1);
}

step('The version is the same everywhere');
const version = /^version: (\S+)$/m.exec(readFileSync('galaxy.yml', 'utf8'))?.[1] ?? '';
const packaged = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;
if (!/^\d+\.\d+\.\d+$/.test(version)) refuse(`galaxy.yml: the version is "${version}"; it has to be like 1.2.3.`);
if (packaged !== version) refuse(`package.json says version ${packaged}, galaxy.yml ${version}. Make them the same.`);
if ((await run('git', ['tag', '--list', `v${version}`])).stdout !== '')
  refuse(`v${version} is tagged already. Raise the version in galaxy.yml and package.json.`);
console.log(version);

step('The changelog');
const fragments = readdirSync('changelogs/fragments').filter((name) => /\.ya?ml$/.test(name));
const dirty = (): Promise<string> => run('git', ['status', '--porcelain']).then(({ stdout }) => stdout);
if ((await dirty()) !== '') refuse('There are changes that are not committed. Commit them, then run this again.');
const toolbox = await Toolbox.open();
if (fragments.length > 0) {
  const date = new Date().toISOString().slice(0, 'yyyy-mm-dd'.length);
  await toolbox.run('antsibull-changelog', ['release', '--version', version, '--date', date, '--update-existing']);
  refuse(
    `CHANGELOG.md now has what ${fragments.join(', ')} said. Read it, commit it (git commit --all --message 'Release ${version}'), then run this again.`,
  );
}
if (!readFileSync('CHANGELOG.md', 'utf8').includes(`v${version.replaceAll('.', '\\.')}`))
  refuse(`The changelog has nothing about ${version}: write a fragment in changelogs/fragments/.`);

step('The static gates');
for (const [name, gate] of Object.entries(gates)) {
  await gate();
  console.log(`ok      ${name}`);
}
if ((await dirty()) !== '') refuse('The gates changed files: run `npm run build`, commit, then run this again.');

step('The tarball');
const directory = 'build/release';
mkdirSync(directory, { recursive: true });
const clone = join(await temporary(), 'clone');
await run('git', ['clone', '--quiet', '.', clone]);
const tarball = await buildTarball(clone, directory, toolbox.path);
const checksum = `${tarball}.sha256`;
writeFileSync(checksum, `${createHash('sha256').update(readFileSync(tarball)).digest('hex')}  ${basename(tarball)}\n`);

console.log(`${tarball}\n${readFileSync(checksum, 'utf8').trim()}`);

step('What is left to do');
console.log(`npm test                      # on booted hosts, if CI has not run it on this commit
git tag --sign v${version} --message 'rootless.backup ${version}'
git push origin v${version}
ansible-galaxy collection publish ${tarball}`);

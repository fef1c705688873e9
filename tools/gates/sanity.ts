import type { Toolbox } from './toolbox.ts';

/**
 * Runs all tests of `ansible-test sanity` on a collection, with no ignore file.
 *
 * Nothing of it needs `ansible-test`'s own network: `Toolbox.prepareAnsibleTest` brings what it would download, and the requirements of
 * its tests come from the Python package index. Tests of a Python version (`compile`, `import`) run with the system's Python; the others
 * that `ansible-test` knows are not on the machine. The host tests run the same modules on the Pythons of Debian 12 and 13.
 * @throws with what was found, or if a test was skipped for any other reason.
 */
export async function sanity(collection: string, toolbox: Toolbox): Promise<void> {
  await toolbox.prepareAnsibleTest();
  const { code, stdout, stderr } = await toolbox.run('ansible-test', ['sanity', '--color', 'no'], {
    cwd: collection,
    env: { PIP_QUIET: '1' },
    mayFail: true,
  });
  if (code !== 0)
    throw new Error(
      `${stdout}${stderr}`.replaceAll(/^(?:Running sanity test|WARNING: Skipping|WARNING: Using locale).*\n/gm, ''),
    );
  const skipped = `${stdout}${stderr}`
    .split('\n')
    .filter((line) => /Skipping/.test(line) && !/on Python [\d.]+ because it could not be found/.test(line));
  if (skipped.length > 0) throw new Error(skipped.join('\n'));
}

import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Lab } from '../lab/lab.ts';
import { onEachRelease } from './fixture.ts';

onEachRelease('a host of the lab', async () => undefined, (fixture) => {
  it('boots without a failed unit and answers Ansible', async () => {
    expect((await fixture.host.run('systemctl is-system-running')).stdout.trim()).toBe('running');
    expect((await fixture.lab.ansible('ansible', ['all', '-m', 'ping'])).stdout).toContain('SUCCESS');
  });

  it('has no way out of the lab', async () => {
    expect((await fixture.host.run('ip route get 192.0.2.1', { mayFail: true })).code).not.toBe(0);
  });

  it('keeps its disk through a power loss', async () => {
    await fixture.host.write('/etc/kept', 'kept');
    await fixture.host.powerOff();
    await fixture.host.boot();
    expect(await fixture.host.read('/etc/kept')).toBe('kept');
  });

  it('leaves nothing behind', async () => {
    const lab = await Lab.open();
    await lab.boot({ name: 'gone', debian: fixture.release });
    const directory = lab.directory;
    await lab.close();
    expect(existsSync(directory)).toBe(false);
  });
});

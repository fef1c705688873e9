import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { backUp } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

// 200 names of an inventory: 197 lead to one booted host that is well, two to hosts with a fault, one to nobody.
const well = Array.from({ length: 197 }, (_, index) => `app-${String(index + 1).padStart(3, '0')}`);

let lab: Lab;
let browser: Browser;
let hosts: Record<'app' | 'wiki' | 'shop' | 'attic', Host>;
beforeAll(async () => {
  lab = await Lab.open();
  await lab.installCollection();
  hosts = {
    app: await lab.boot({ name: 'app', debian: 12 }),
    wiki: await lab.boot({ name: 'wiki', debian: 13 }),
    shop: await lab.boot({ name: 'shop', debian: 12 }),
    attic: await lab.boot({ name: 'attic', debian: 13 }),
  };
  await hosts.wiki.run('useradd --system wiki; mkdir /srv/wiki; echo page > /srv/wiki/page');
  await lab.roles(['borg'], { backup_paths: ['/etc'], backup_mail_to: [] });
  const hook = {
    name: 'wiki',
    user: 'wiki',
    command: '/usr/bin/cp /srv/wiki/page /backup/wiki/page',
    read: ['/srv/wiki'],
  };
  await lab.playbook([{ hosts: 'wiki', gather_facts: false, tasks: [{ 'rootless.backup.hook': hook }] }]);
  for (const host of Object.values(hosts)) expect((await backUp(host)).ok).toBe(true);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser.close();
  await lab.close();
});

/** Asks all of them. @param attic where that one is said to be */
async function ask(attic: string): Promise<{ code: number; page: Page }> {
  const inventory = readFileSync(join(lab.directory, 'inventory'), 'utf8');
  const names = [
    ...well.map((name) => `${name} ansible_host=${hosts.app.address}`),
    `wiki ansible_host=${hosts.wiki.address}`,
    `shop ansible_host=${hosts.shop.address}`,
    `attic ansible_host=${attic}`,
  ];
  const file = join(lab.directory, 'fleet-inventory');
  writeFileSync(file, `${names.join('\n')}\n${inventory.slice(inventory.indexOf('[all:vars]'))}`);
  const { code } = await lab.run(join(lab.collection, 'playbooks/fleet.yml'), {
    args: ['--inventory', file, '--forks', '8'],
    mayFail: true,
    timeoutSeconds: 1800,
  });
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  await page.goto(`file://${join(lab.directory, 'backup-fleet/fleet.html')}`);
  await page.locator('.row').first().waitFor();
  return { code, page };
}

it('of 200 machines the three with a fault are on top, and what the page says about each mends it', async () => {
  const nobody = '10.77.0.250';
  await hosts.wiki.run('mv /srv/wiki/page /srv/wiki/lost');
  expect((await backUp(hosts.wiki)).ok).toBe(false);
  await hosts.shop.run('systemctl disable --now backup.timer');
  // Its report is there when its row is red.
  await hosts.wiki.run('until grep -q exit-code /var/lib/backup-report/status.json; do sleep 0.2; done', {
    timeoutSeconds: 60,
  });
  const { code, page } = await ask(nobody);
  expect(code).toBe(2);
  const rows = page.locator('.row');
  const shown = await rows.locator('.name').allTextContents();
  expect(shown.slice(0, 4)).toEqual(['attic', 'wiki', 'shop', 'app-001']);
  expect(await page.getByRole('status').textContent()).toBe('200 machines');
  if (process.env['FLEET_PICTURES'] !== undefined)
    await page.screenshot({ path: join(process.env['FLEET_PICTURES'], 'administrator.png') });

  /** What the page says about a machine: the commands are those in code. */
  const told = async (name: string): Promise<{ text: string; commands: string[] }> => {
    await page.getByRole('button', { name, exact: true }).click();
    await page.locator('.mend').waitFor();
    const found = page.locator('.mend');
    return { text: await found.innerText(), commands: await found.locator('code').allTextContents() };
  };
  const attic = await told('attic');
  expect(attic.commands).toContain('ansible attic -m ansible.builtin.ping');
  const wiki = await told('wiki');
  expect(wiki.text).toContain("cannot stat '/srv/wiki/page'");
  expect(wiki.commands).toEqual(['journalctl -u backup-wiki.service', 'systemctl start backup.service']);
  const shop = await told('shop');
  expect(shop.commands).toEqual(['systemctl enable --now backup.timer']);

  // Each is done as it says.
  await hosts.wiki.run('mv /srv/wiki/lost /srv/wiki/page');
  for (const command of wiki.commands) await hosts.wiki.run(command, { timeoutSeconds: 120 });
  for (const command of shop.commands) await hosts.shop.run(command);
  await hosts.wiki.run('until ! grep -q exit-code /var/lib/backup-report/status.json; do sleep 0.2; done', {
    timeoutSeconds: 60,
  });
  const again = await ask(hosts.attic.address);
  expect(again.code).toBe(0);
  expect(await again.page.getByRole('button', { name: /^ok 200/ }).count()).toBe(1);
});

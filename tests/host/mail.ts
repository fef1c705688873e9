import type { Host } from '../lab/host.ts';

export interface Mail {
  readonly subject: string;
  readonly text: string;
}

/** Waits until every report was written and every mail delivered. */
export async function settle(host: Host): Promise<void> {
  await reported(host);
  await host.run('while [ -n "$(postqueue -j)" ]; do sleep 0.1; done', { timeoutSeconds: 100 });
}

/** Waits until every report was written. */
export async function reported(host: Host): Promise<void> {
  // Deactivating is not over either.
  await host.run(
    'for unit in backup backup-check backup-drill; do while systemctl is-active $unit | grep -q activating; do sleep 0.1; done; done',
    { timeoutSeconds: 100 },
  );
  // A report waits for what is saved after hooks failed.
  await host.run('while systemctl list-jobs --no-legend | grep -q " backup-re[ps]"; do sleep 0.1; done', {
    timeoutSeconds: 100,
  });
  const reports = ['backup', 'backup-check', 'backup-drill', 'repository-watch'].flatMap((unit) =>
    ['success', 'failure', 'begun'].map((end) => `backup-report@${unit}:${end}`),
  );
  await host.run(
    `for unit in ${reports.join(' ')}; do while [ "$(systemctl is-active $unit)" = activating ]; do sleep 0.1; done; done`,
    { timeoutSeconds: 100 },
  );
}

/** The mails that root has got since the last call. */
export async function mails(host: Host): Promise<Mail[]> {
  await settle(host);
  const { stdout } = await host.run(['python3', '-c', read]);
  return JSON.parse(stdout) as Mail[];
}

const read = `import json, mailbox
from email.header import decode_header, make_header
box = mailbox.mbox("/var/mail/root")
print(json.dumps([{"subject": str(make_header(decode_header(m["Subject"]))), "text": m.get_payload(decode=True).decode()} for m in box]))
open("/var/mail/root", "a").truncate(0)`;

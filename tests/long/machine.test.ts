import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backUp } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { serverPackages, type Release } from '../lab/root.ts';

/** Installs what lies in the cache of apt, in this order. */
const install = (names: readonly string[]): string =>
  `export DEBIAN_FRONTEND=noninteractive; apt-get install -q=2 --yes --no-install-recommends --no-download ${names.join(' ')} > /dev/null`;

/** A server as somebody runs it: services of Debian's packages, each with something in it, and an application of one's own. */
const build = `set -e
useradd --create-home --shell /bin/bash alice
useradd --system --uid 905 --home-dir /var/lib/books --shell /usr/sbin/nologin books
useradd --no-create-home --uid 70000 directory
# nginx, with TLS
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=web -keyout /etc/ssl/private/web.key -out /etc/ssl/certs/web.pem 2> /dev/null
chmod 0600 /etc/ssl/private/web.key
mkdir -p /var/www/site && echo 'the site' > /var/www/site/index.html && chown -R www-data:www-data /var/www/site && setfacl -m u:alice:rwx /var/www/site
printf '%s\\n' 'server { listen 443 ssl; server_name web; root /var/www/site;' 'ssl_certificate /etc/ssl/certs/web.pem; ssl_certificate_key /etc/ssl/private/web.key; }' > /etc/nginx/sites-available/site
ln -s ../sites-available/site /etc/nginx/sites-enabled/site && systemctl restart nginx
# redis
redis-cli set answer 42 > /dev/null && redis-cli save > /dev/null
# bind9
printf '%s\\n' '$TTL 60' '@ IN SOA ns. root. 1 60 60 60 60' ' IN NS ns.' 'www IN A 192.0.2.7' > /var/lib/bind/db.shop.example
echo 'zone "shop.example" { type master; file "/var/lib/bind/db.shop.example"; };' >> /etc/bind/named.conf.local && systemctl restart named
# mosquitto keeps what it was told to retain
printf '%s\\n' 'listener 1883 127.0.0.1' 'allow_anonymous true' > /etc/mosquitto/conf.d/own.conf && systemctl restart mosquitto
# dovecot and postfix: a Maildir of alice's, and what everybody gets
install -d -o alice -g alice -m 0700 /home/alice/Maildir /home/alice/Maildir/{cur,new,tmp} && echo 'From bob' > /home/alice/Maildir/new/1 && chown -R alice: /home/alice/Maildir
install -o alice -g mail -m 0600 /dev/stdin /var/mail/alice <<< 'From carol'
postconf -e 'smtpd_banner = the old machine' && echo 'postmaster: alice' > /etc/aliases && newaliases && systemctl restart postfix
# samba, with a share and an account
mkdir -p /srv/share && echo shared > /srv/share/file && printf '%s\\n' '[share]' 'path = /srv/share' >> /etc/samba/smb.conf && (echo x; echo x) | smbpasswd -s -a alice > /dev/null && systemctl restart smbd
# radicale
install -d -o radicale -g radicale -m 0750 /var/lib/radicale/collections/collection-root/alice && echo BEGIN:VCALENDAR > /var/lib/radicale/collections/collection-root/alice/a.ics && chown -R radicale: /var/lib/radicale/collections && systemctl enable --quiet --now radicale
# cron, a repository of git, what has a capability
echo '@daily true' | crontab -u alice - && echo '* * * * * root true' > /etc/cron.d/own
git init -q --bare /srv/git/project.git && git -C /srv/git/project.git config receive.denyNonFastForwards true
cp /bin/true /usr/local/bin/raw && setcap cap_net_raw+ep /usr/local/bin/raw && setfattr -n user.note -v note /srv/share/file
# Databases
mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket > /dev/null && systemctl enable --quiet --now mariadb
mariadb -e "CREATE DATABASE stock; CREATE TABLE stock.item AS SELECT 7 AS n; CREATE USER keeper@localhost IDENTIFIED BY 'x'; GRANT SELECT ON stock.* TO keeper@localhost"
runuser -u postgres -- psql -q -c 'CREATE ROLE shop LOGIN' -c 'CREATE DATABASE shop OWNER shop' && runuser -u postgres -- psql -q shop -c 'CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n'
install -d -o books -g books -m 0750 /var/lib/books && runuser -u books -- python3 -c 'import sqlite3; d = sqlite3.connect("/var/lib/books/books.db"); d.execute("CREATE TABLE book AS SELECT 3 AS n"); d.commit()'
echo cover | install -o books -g books -m 0640 /dev/stdin /var/lib/books/cover
# The application, which reads its settings and its database
echo 'SHELF=left' > /etc/books.conf
cat > /usr/local/bin/books <<'END'
#!/usr/bin/python3
import http.server, os, sqlite3
class Books(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        rows = sqlite3.connect("/var/lib/books/books.db").execute("SELECT n FROM book").fetchall()
        self.send_response(200); self.end_headers(); self.wfile.write(("%s %s\\n" % (os.environ["SHELF"], rows)).encode())
http.server.HTTPServer(("127.0.0.1", 8000), Books).serve_forever()
END
chmod 755 /usr/local/bin/books
printf '%s\\n' '[Service]' User=books EnvironmentFile=/etc/books.conf ExecStart=/usr/local/bin/books Restart=on-failure '[Install]' WantedBy=multi-user.target > /etc/systemd/system/books.service
systemctl enable --quiet --now books
apt-mark -qq hold nginx
python3 - <<'END'
import socket
s = socket.create_connection(("127.0.0.1", 1883))
s.sendall(b"\\x10\\x10\\x00\\x04MQTT\\x04\\x02\\x00\\x3c\\x00\\x04test"); s.recv(4)
s.sendall(b"\\x31\\x09\\x00\\x04warmhot"); s.sendall(b"\\xe0\\x00"); s.close()
END
`;

/** What each application answers. What has to start first is waited for. */
const ask = `
wait() { for n in $(seq 100); do "$@" > /dev/null 2>&1 && break; sleep 0.2; done; "$@" 2>&1; }
systemctl is-active books cron dovecot mosquitto named nginx radicale redis-server smbd postgresql mariadb; pgrep --exact --count master
wait curl -sk https://127.0.0.1/
wait redis-cli get answer
wait python3 -c '
import socket
q = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x03www\\x04shop\\x07example\\x00\\x00\\x01\\x00\\x01"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.sendto(q, ("127.0.0.1", 53)); print(s.recv(512)[-4:])'
wait python3 -c '
import socket
s = socket.create_connection(("127.0.0.1", 1883)); s.settimeout(2)
s.sendall(b"\\x10\\x11\\x00\\x04MQTT\\x04\\x02\\x00\\x3c\\x00\\x05test2"); s.recv(4)
s.sendall(b"\\x82\\x09\\x00\\x01\\x00\\x04warm\\x00"); d = b""
while b"warmhot" not in d: d += s.recv(100)
print("retained")'
wait curl -s http://127.0.0.1:8000/
doveadm mailbox status -u alice messages INBOX 2>/dev/null | wc -l; cat /home/alice/Maildir/new/1 /var/mail/alice
postconf smtpd_banner; postalias -q postmaster /etc/aliases; smbclient -V | wc -l; pdbedit -L | cut -d: -f1; testparm -s 2> /dev/null | grep -A1 share
crontab -u alice -l; cat /etc/cron.d/own; git -C /srv/git/project.git config receive.denyNonFastForwards; getcap /usr/local/bin/raw
cat /var/lib/radicale/collections/collection-root/alice/a.ics /var/lib/books/cover
mariadb -BN -e 'SELECT * FROM stock.item; SHOW GRANTS FOR keeper@localhost'
runuser -u postgres -- psql -Atc 'SELECT count(*), sum(n) FROM orders' shop
apt-mark showhold; id -u directory
`;

/** All that is in these places by name: kind, owner, mode, ACL, attributes and contents. Numbers are nobody's concern. */
const places =
  '/home /root/.profile /opt /srv /usr/local/bin /var/www /var/mail /var/lib/books /var/lib/redis /var/lib/bind /var/lib/radicale /var/lib/samba/private /var/spool/cron /etc/nginx /etc/bind /etc/mosquitto /etc/dovecot /etc/samba /etc/radicale /etc/cron.d /etc/books.conf /etc/systemd/system/books.service /etc/ssl/private';
const describeAll = (paths: string): string => `
find ${paths} \\( -name '.backup-*' -o -name '*.rdb' -o -name '*.tdb' -o -name '*.db' -o -name '.dovecot*' -o -name 'dovecot*' -o -name '*.sock' -o -name msg.sock -o -name 'rndc.key' \\) -prune -o ! -type s -print0 | sort -z |
while IFS= read -r -d '' f; do
  printf '%q %s ' "$f" "$(stat -c '%F %a %U %G' -- "$f")"
  [ -f "$f" ] && [ ! -L "$f" ] && sha256sum < "$f" | tr -d '\\n'; [ -L "$f" ] && readlink -- "$f" | tr -d '\\n'
  [ -L "$f" ] || getfacl -cp -- "$f" | tr '\\n' ' '; getcap -- "$f" | tr '\\n' ' '; getfattr -h --only-values -d -m '^user' -- "$f" 2> /dev/null; echo
done`;

const journeys: { from: Release; to: Release; by: 'playbook' | 'hand'; repository: string }[] = [
  { from: 12, to: 12, by: 'hand', repository: 'ssh://store@store/./web' },
  { from: 12, to: 13, by: 'playbook', repository: 'ssh://store@store/./web' },
  { from: 13, to: 13, by: 'playbook', repository: '/srv/repository/borg' },
];

describe.each(journeys)(
  'a server of Debian $from that is lost, and comes back on Debian $to by $by from $repository',
  ({ from, to, by, repository }) => {
    it('answers as before, with all its files', async () => {
      const lab = await Lab.open();
      try {
        await journey(lab, from, to, by, repository);
      } finally {
        await lab.close();
      }
    }, 1_800_000);
  },
);

async function journey(lab: Lab, from: Release, to: Release, by: string, repository: string): Promise<void> {
  await lab.unpackCollection();
  const store = await lab.boot({ name: 'store', debian: from });
  await store.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
  let host = await lab.boot({ name: 'web', debian: from, server: true });
  await host.run(install(serverPackages), { timeoutSeconds: 600 });
  await host.run(build, { timeoutSeconds: 300 });
  const settings = {
    borg_repositories: [repository],
    borg_known_hosts: [`store ${store.hostKey.split(' ').slice(0, 2).join(' ')}`],
    sqlite_databases: [{ name: 'wiki', user: 'books', paths: ['/var/lib/books/*.db'] }],
  };
  const apply = async (roles: string[], mayFail = false): Promise<void> => {
    const done = await lab.roles(roles, settings, { args: ['--limit', 'web'], mayFail });
    if (!mayFail) expect(done.recap['web']?.failed, done.stdout).toBe(0);
  };
  await apply(['borg'], true);
  const admit = async (): Promise<void> => {
    if (!repository.startsWith('/'))
      await store.write('/home/store/.ssh/authorized_keys', await host.read('/etc/credstore/borg.ssh-key.pub'), '0644');
  };
  await admit();
  await apply(['borg', 'postgres', 'mariadb', 'sqlite']);
  const answers = (await host.run(ask, { mayFail: true, timeoutSeconds: 300 })).stdout;
  expect(answers).toMatch(/^(active\n){11}1\nthe site\n42\nb'\\xc0\\x00\\x02\\x07'\nretained\nleft \[\(3,\)\]\n/);
  const { ok, log } = await backUp(host);
  expect(ok, log).toBe(true);
  const files = (await host.run(describeAll(places), { timeoutSeconds: 300 })).stdout;
  const kept = repository.startsWith('/')
    ? await host.run(`tar -C ${repository} -czf - . | base64 -w0`, { timeoutSeconds: 300 })
    : undefined;
  await lab.forget(host);

  host = await lab.boot({ name: 'web', debian: to, server: true });
  // Numbers that the old machine gave to others.
  await host.run('useradd --system --uid 905 newcomer; for n in 1 2 3 4 5 6; do useradd --system early$n; done');
  await host.run(install([...serverPackages].reverse().slice(0, 4)), { timeoutSeconds: 600 });
  await host.run(
    'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket > /dev/null && systemctl enable --quiet --now mariadb',
  );
  if (kept !== undefined)
    await host.run(`mkdir -p ${repository} && base64 -d | tar -C ${repository} -xzf -`, { input: kept.stdout });
  await (by === 'playbook' ? byPlaybook(lab, settings, to === from) : byHand(lab, host, settings));
  await compare(host, { answers, files, same: to === from });
}

async function byPlaybook(lab: Lab, settings: object, same: boolean): Promise<void> {
  const done = await lab.run(`${lab.collection}/playbooks/restore.yml`, {
    args: ['--extra-vars', JSON.stringify({ restore_host: 'web', restore_packages: true, ...settings })],
    timeoutSeconds: 1200,
    mayFail: true,
  });
  console.log(done.stdout.slice(done.stdout.indexOf('Say what came back')));
  if (same) expect(done.recap['web']?.failed, done.stdout).toBe(0);
}

/** The commands of the page, a block each. */
const page = readFileSync('docs/restore.md', 'utf8').split('\n## The machine, by hand\n')[1]?.split('\n## ')[0] ?? '';
const blocks = [...page.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block.trim().split('\n'));

async function byHand(lab: Lab, host: Host, settings: object): Promise<void> {
  const [prepare = [], restore = [], finish = []] = blocks;
  const follow = async (lines: readonly string[], directory = '/root'): Promise<void> => {
    for (const line of lines) await host.run(`cd ${directory}; ${line}`, { timeoutSeconds: 600 });
  };
  const apply = async (roles: string[]): Promise<void> => {
    const { recap, stdout } = await lab.roles(roles, settings, { args: ['--limit', 'web'] });
    expect(recap['web']?.failed, stdout).toBe(0);
  };
  const secrets = join(lab.directory, 'backup-secrets/web');
  await host.run('mkdir -p -m 700 /root/saved');
  for (const name of ['passphrase', 'ssh-key'])
    await host.write(`/root/saved/${name}`, readFileSync(join(secrets, name), 'utf8'), '0600');
  await follow(prepare, '/root/saved');
  await apply(['borg', 'postgres', 'mariadb']);
  await follow(restore);
  await apply(['sqlite']);
  await follow(finish);
}

async function compare(host: Host, was: { answers: string; files: string; same: boolean }): Promise<void> {
  expect((await host.run(ask, { mayFail: true, timeoutSeconds: 300 })).stdout).toBe(was.answers);
  const files = (await host.run(describeAll(places), { mayFail: true, timeoutSeconds: 300 })).stdout;
  const before = new Set(was.files.split('\n'));
  const after = new Set(files.split('\n'));
  expect([...before].filter((line) => !after.has(line))).toEqual([]);
}

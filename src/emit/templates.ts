import { managedBy } from '../render/header.ts';
import { comment, renderUnit } from '../render/unit.ts';
import { jinja, word } from '../render/value.ts';
import { dumpChunks } from '../schema/chunks.ts';
import { borgTemplateSettings, borgUnits } from '../units/borg.ts';
import { requestable, requestDirectory } from '../units/request.ts';
import { reportState } from '../units/report.ts';
import { postgresHook, postgresTemplateSettings, postgresUnits } from '../units/postgres.ts';
import { proofJson } from '../render/json.ts';
import { drillState, drillTold, hookDirectory, hookProof } from '../units/hook.ts';
import { transientSandboxes } from '../units/restore.ts';
import type { Directive, Unit } from '../units/unit.ts';
import { mark, type GeneratedFile } from './generated.ts';

/** The templates tree of role `borg`: a picture of the host. */
export function borgTemplates(): GeneratedFile[] {
  return [
    ...unitTemplates('borg', 'units/borg.ts', borgUnits(borgTemplateSettings)),
    template('borg', '/etc/sysusers.d/borg.conf', [
      'u borg - "Borg Backup" /var/lib/borg /usr/sbin/nologin',
      '# Reads the journal, to tell why a backup failed, and hands mail to postfix; it reads nothing that is saved.',
      'u backup-report - "Reports of the backup" / /usr/sbin/nologin',
      'm backup-report systemd-journal',
      'm backup-report postdrop',
      '# Restores, with capabilities, and owns nothing: what the user borg may have done to its own reaches no process of it.',
      'u backup-restore - "Restores of the backup" / /usr/sbin/nologin',
      '# Runs what is in a dump, to prove it.',
      'u backup-prove - "Proofs of the backup" / /usr/sbin/nologin',
    ]),
    template('borg', '/etc/tmpfiles.d/borg.conf', [
      '# Hooks have directories of their own in here. The group is for hooks that other software brings; the sticky bit',
      '# keeps them from touching what is not theirs.',
      'd /backup 1771 root borg',
      'd /etc/backup 0755 root root',
      'd /etc/backup/exclude.d 0755 root root',
      'd /etc/backup/prove.d 0755 root root',
      'd /etc/credstore 0700 root root',
      'd /var/lib/borg 0700 borg borg',
      'd /var/lib/backup-restore 0711 root root',
      '# Emptied at the boot, in case the machine went down in a drill.',
      `D! ${drillState} 0700 borg borg`,
      `d ${drillState} 0700 borg borg`,
      `d ${drillTold} 0750 root borg`,
      'd /var/cache/borg 0700 borg borg',
      '# Its set-group-id bit gives what is in it to those who may read the status.',
      `d ${reportState} 2755 backup-report {{ borg_status_group }}`,
      '# Who touches a pipe in it asks for the unit of that name. Pipes, since nothing can be left in one: files could fill /run.',
      `d ${requestDirectory} 0750 root {{ borg_status_group }}`,
      ...requestable.map((name) => `p+ ${requestDirectory}/${name} 0620 root {{ borg_status_group }}`),
      '{% if borg_metrics %}',
      `L+ ${word(jinja('borg_metrics'))}/backup.prom - - - - ${reportState}/backup.prom`,
      '{% endif %}',
      '# What is in them belongs to borg too: a file of root in a repository, left by a command run by hand, locks it out.',
      'Z /var/lib/borg - borg borg',
      '{% for path in _borg_local_repositories %}',
      `d ${word(jinja('path'))} 0700 borg borg`,
      `Z ${word(jinja('path'))} - borg borg`,
      '{% endfor %}',
    ]),
    template('borg', '/etc/backup/known_hosts', ['{% for line in borg_known_hosts %}', '{{ line }}', '{% endfor %}'], 'borg_known_hosts'),
    {
      path: 'roles/borg/templates/etc/backup/borg.json.j2',
      content: `{# ${mark}emit/templates.ts. Do not edit. #}\n${borgJson}`,
    },
    {
      path: 'roles/borg/templates/etc/backup/report.json.j2',
      content: `{# ${mark}emit/templates.ts. Do not edit. #}\n${reportJson}`,
    },
    {
      path: 'roles/borg/templates/etc/credstore/backup-report.url.j2',
      content: `{# ${mark}emit/templates.ts. Do not edit. #}\n{% if borg_report_url %}\n{{ borg_report_url }}\n{% endif %}\n`,
    },
    {
      path: 'roles/borg/templates/etc/credstore/backup-report.msmtprc.j2',
      content: `{# ${mark}emit/templates.ts. Do not edit. #}\n{% if borg_mail_smtp %}\naccount default\n{{ borg_mail_smtp }}\n{% endif %}\n`,
    },
    {
      path: 'roles/borg/templates/etc/credstore/borg.passphrase.j2',
      content: `{# ${mark}emit/templates.ts. Do not edit. #}\n{% if borg_passphrase %}\n{{ borg_passphrase }}\n{% endif %}\n`,
    },
  ];
}

/** The sandboxes of transient units, for the program that hands them to systemd-run(1). */
export function borgSandboxes(): GeneratedFile {
  const { path, ...sandboxes } = transientSandboxes();
  const lines = (directives: readonly Directive[]): string[] => directives.map(({ name, value }) => `${name}=${value}`);
  const text = Object.fromEntries(Object.entries(sandboxes).map(([kind, { local, remote }]) => [kind, { local: lines(local), remote: lines(remote) }]));
  return { path: `roles/borg/files${path}`, content: `${JSON.stringify({ '#': `${managedBy('role borg')} ${mark}units/restore.ts.`, ...text }, undefined, 2)}\n` };
}

/** The templates tree of role `postgres`. */
export function postgresTemplates(): GeneratedFile[] {
  return [
    ...unitTemplates('postgres', 'units/postgres.ts', postgresUnits(postgresTemplateSettings)),
    template('postgres', '/etc/tmpfiles.d/backup-postgresql.conf', [
      `d ${hookDirectory('postgresql')} 0700 {{ postgres_user }} -`,
    ]),
    template('postgres', '/etc/backup/exclude.d/postgresql', [
      '# Live data directories: inconsistent in an archive. The dumps are in /backup/postgresql.',
      '{% for path in postgres_data_directories %}',
      '{{ path }}',
      '{% endfor %}',
    ]),
    ...[hookProof(postgresHook(postgresTemplateSettings))].flatMap((found) => (found === undefined ? [] : [{ path: `roles/postgres/templates${found.path}.j2`, content: `{# ${mark}units/postgres.ts. Do not edit. #}\n${proofJson(managedBy('role postgres'), found.proof)}` }])),
    {
      path: 'roles/postgres/templates/etc/backup/postgresql.json.j2',
      content: `{# ${mark}emit/templates.ts. Do not edit. #}\n${postgresJson}`,
    },
  ];
}

const chunkRules = `[${Object.values(dumpChunks).map(({ below, params }) => `[${below === undefined ? 'none' : below * 2 ** 30}, '${params}']`).join(', ')}]`;

/** Settings reach the programs as JSON: no quoting of a shell or of a unit is in the way. */
const borgJson = json('borg', [
  ['prefix', 'borg_archive_prefix | string | to_json'],
  ['repositories', "borg_repositories | map('string') | list | to_json"],
  ['encryption', 'borg_encryption | to_json'],
  ['paths', "borg_paths | map('string') | list | to_json"],
  ['exclude', "borg_exclude | map('string') | list | to_json"],
  ['one_file_system', 'borg_one_file_system | bool | to_json'],
  ['compression', 'borg_compression | string | to_json'],
  // Below which size in bytes which parameters: those that are set hold for every size.
  ['dump_chunks', `(${chunkRules} if borg_dump_chunker_params == 'auto' else [[none, borg_dump_chunker_params | string]]) | to_json`],
  ['keep_daily', 'borg_keep_daily | int'],
  ['keep_weekly', 'borg_keep_weekly | int'],
  ['keep_monthly', 'borg_keep_monthly | int'],
  ['lock_wait', 'borg_lock_wait | int'],
  ['upload_limit', 'borg_upload_limit | int'],
  ['check_duration', 'borg_check_duration | int'],
  ['drill_sample', 'borg_drill_sample | int'],
]);

const reportJson = json('borg', [
  ['host', 'inventory_hostname | string | to_json'],
  ['mail_to', "borg_mail_to | map('string') | list | to_json"],
  ['mail_from', 'borg_mail_from | string | to_json'],
  ['smtp', '(borg_mail_smtp | string | length > 0) | to_json'],
  ['url', '(borg_report_url | string | length > 0) | to_json'],
  ['command', "borg_report_command | map('string') | list | to_json"],
  ['success', 'borg_report_success | to_json'],
  ['alert_after', 'borg_alert_after | int'],
  // Whether a drill that no timer starts is something to mend.
  ['drill', 'borg_drill | bool | to_json'],
]);

const postgresJson = json('postgres', [
  ['clusters', 'postgres_clusters | to_json'],
  ['exclude', "postgres_exclude | map('string') | list | to_json"],
  ['data_directories', "postgres_data_directories | map('string') | list | to_json"],
  ['lock_wait', 'postgres_lock_wait | int'],
]);

function json(role: string, entries: readonly (readonly [key: string, expression: string])[]): string {
  const lines = [`"#": ${JSON.stringify(managedBy(`role ${role}`))}`, ...entries.map(([key, expression]) => `${JSON.stringify(key)}: {{ ${expression} }}`)];
  return `{\n${lines.map((text) => `  ${text}`).join(',\n')}\n}\n`;
}

function unitTemplates(role: string, source: string, units: readonly Unit[]): GeneratedFile[] {
  return units.map((unit) => ({
    path: `roles/${role}/templates${unit.path}.j2`,
    content: `{# ${mark}${source}. Do not edit. #}\n${renderUnit(unit, managedBy(`role ${role}`))}`,
  }));
}

/** `when`: a Jinja expression; where it does not hold the host has no such file. */
function template(role: string, path: string, lines: readonly string[], when?: string): GeneratedFile {
  const text = `${comment(managedBy(`role ${role}`))}${lines.join('\n')}\n`;
  return {
    path: `roles/${role}/templates${path}.j2`,
    content: `{# ${mark}emit/templates.ts. Do not edit. #}\n${when === undefined ? text : `{% if ${when} %}\n${text}{% endif %}\n`}`,
  };
}

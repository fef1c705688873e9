import { states, type Fleet, type Machine } from '../schema/fleet.ts';

/** `fleet.prom`. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function prometheus({ made, machines }: Fleet): string {
  const family = (name: string, help: string, samples: readonly string[]): string =>
    samples.length === 0
      ? ''
      : `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${samples.map((sample) => `${name}${sample}\n`).join('')}`;
  const times = (name: string, help: string, time: (machine: Machine) => number | undefined): string =>
    family(
      name,
      help,
      machines.flatMap((machine) => {
        const value = time(machine);
        return value === undefined ? [] : [`{machine=${label(machine.name)}} ${value}`];
      }),
    );
  return [
    family('backup_fleet_timestamp_seconds', 'When the machines were asked.', [` ${made}`]),
    family(
      'backup_fleet_machines',
      'How many machines are in the state.',
      states.map((state) => `{state="${state}"} ${machines.filter((machine) => machine.state === state).length}`),
    ),
    family(
      'backup_fleet_machine_ok',
      'Whether the backups of the machine are well; the state says why not.',
      machines.map(({ name, state }) => `{machine=${label(name)},state="${state}"} ${state === 'ok' ? 1 : 0}`),
    ),
    times('backup_fleet_last_success_timestamp_seconds', 'When the last good backup ended.', (each) => each.last_good),
    times('backup_fleet_last_drill_timestamp_seconds', 'When the last drill ended.', (each) => each.last_drill),
    family(
      'backup_fleet_server_last_change_timestamp_seconds',
      'When the machine last saved something to the server, as the server says.',
      machines.flatMap(({ name, servers = [] }) =>
        servers.flatMap(({ server, changed }) =>
          changed === undefined ? [] : [`{machine=${label(name)},server=${label(server)}} ${changed}`],
        ),
      ),
    ),
    times('backup_fleet_original_bytes', 'The size of what the newest archives hold.', (each) => each.original_size),
  ].join('');
}

const label = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

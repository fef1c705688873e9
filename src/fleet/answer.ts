/**
 * What `rootless.backup.fleet` found out about one machine. Its Python part has made all of it anew of known keys and types
 * (`plugins/plugin_utils/fleet.py`); the texts are still those of the machine.
 */
export interface Answer {
  readonly name: string;
  readonly groups: readonly string[];
  readonly reached: boolean;
  /** Why nothing is known, or not all; empty if all is. */
  readonly trouble: string;
  readonly known: boolean;
  readonly version: string;
  readonly cut: boolean;
  /** In hours; 0 if it does not say. */
  readonly alert_after: number;
  readonly units: Readonly<Record<string, Unit>>;
  readonly repositories: Readonly<Record<string, number>>;
  /** `[bytes free, bytes at all]` by repository. */
  readonly room: Readonly<Record<string, readonly [number, number]>>;
  /** Of the last backups: `[finished, ok, seconds, original size, deduplicated size]`. */
  readonly history: readonly (readonly [number, number, number, number, number])[];
  /** `ActiveState` by unit, or `LoadState` if that is not `loaded`; none if systemd did not answer. */
  readonly live: Readonly<Record<string, string>>;
  /** `Result` by task, of a run that failed and of which the report knows nothing. */
  readonly unreported: Readonly<Record<string, string>>;
  /** 0: none. */
  readonly next_run: number;
  /** Of a server of repositories. */
  readonly server?: Server;
}

/** What a server knows of the machines that save to it. */
export interface Server {
  /** Why nothing is known of it; empty if all is. */
  readonly trouble: string;
  /** Whether it says itself what is wrong, and after how many hours it tells of a machine. */
  readonly judged: boolean;
  /** Whether the control node has made it a server. */
  readonly remembered: boolean;
  /**
   * `[name, state, last change, size on the disk, of it of what was deleted, generations, the newest, why it is refused, after how many
   * hours without a change the server tells (0: never), whether the control node has it save there]`.
   */
  readonly clients: readonly (readonly [
    string,
    'present' | 'absent',
    number,
    number,
    number,
    number,
    number,
    string,
    number,
    boolean,
  ])[];
  /** `[machine or nothing, what is wrong, what to do]`. */
  readonly problems: readonly (readonly [string, string, readonly string[]])[];
}

/** The last run of a task. Times in seconds since 1970; 0: never. */
export interface Unit {
  readonly result: string;
  readonly started: number;
  readonly finished: number;
  readonly last_good: number;
  readonly failing_since: number;
  readonly failures: number;
  readonly failed: readonly string[];
  readonly advice: readonly string[];
  readonly optional_failures: readonly string[];
  readonly troubles: readonly string[];
  readonly warnings: readonly string[];
  /** `[repository, name, files, original size, deduplicated size]`. */
  readonly archives: readonly (readonly [string, string, number, number, number])[];
  /** `[unit, result, whether it is required]`. */
  readonly hooks: readonly (readonly [string, string, boolean])[];
}

/** What the bundle is told on standard input. */
export interface Asked {
  readonly version: string;
  readonly made: number;
  readonly answers: readonly Answer[];
}

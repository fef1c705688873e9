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
  /** `ActiveState` by unit; none if systemd did not answer. */
  readonly live: Readonly<Record<string, string>>;
  /** 0: none. */
  readonly next_run: number;
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

import { Toolbox } from './toolbox.ts';

/** Writes what is made of the commands of `backupctl` below a directory. @returns the paths, as they are in the repository. */
export async function writeCommandLine(directory: string): Promise<string[]> {
  const { stdout } = await (await Toolbox.open()).run('python', ['-B', 'tools/gates/command_line.py', directory]);
  return stdout.split('\n').filter(Boolean);
}

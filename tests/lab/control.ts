import { controlRoot, type Release } from './root.ts';

/** A machine that Ansible runs on: a Debian root, entered with `chroot`, that sees this machine's devices and the files of the lab. */
export interface ControlNode {
  readonly root: string;
  /** Where its Ansible is. */
  readonly path: string;
}

/** Each ansible-core that is supported: the oldest by `requires_ansible`, that of Debian 13, the newest from the package index. */
export const cores: readonly { readonly core: string; readonly debian: Release; readonly directory?: string }[] = [
  { core: '2.14', debian: 12 },
  { core: '2.19', debian: 13 },
  { core: '2.21', debian: 13, directory: '/opt/ansible/bin' },
];

/** The control node with an ansible-core; its root is made the first time. */
export async function controlNode({ debian, directory }: (typeof cores)[number]): Promise<ControlNode> {
  return {
    root: await controlRoot(debian),
    path: `${directory === undefined ? '' : `${directory}:`}/usr/sbin:/usr/bin:/sbin:/bin`,
  };
}

/** What a command is put behind to run in the control node's root, in the same directory; the root itself cannot be written. */
export const within = ({ root }: ControlNode): string[] => ['unshare', '--mount', 'bash', '-c', enter, root];

const enter = `
set -o errexit
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
for path in dev proc run sys tmp; do mount --rbind "/$path" "$0/$path"; done
mount -t tmpfs -o mode=0700 tmpfs "$0/root"
exec chroot "$0" /usr/bin/env --chdir "$PWD" "$@"
`;

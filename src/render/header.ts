/** The first line of every managed file on a host; `by` is `role borg` or `module hook`. */
export const managedBy = (by: string): string =>
  `Managed by Ansible (collection rootless.backup, ${by}): changes made here are overwritten.`;

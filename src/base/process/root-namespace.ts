/** The user who runs the command. */
export interface NamespaceOptions {
  /** this process's user id; 0 needs no user namespace */
  uid: number;
}

/**
 * `argv` as root of its own namespaces: mounts and process ids, and for an ordinary user also user ids.
 * There, this user is root and the ranges of `/etc/subuid` and `/etc/subgid` are all others. Files that root
 * creates inside belong to this user outside.
 *
 * Nothing outlives it: when this process dies or kills it, the kernel kills every process inside and drops
 * every mount. `unshare` holds back SIGTERM while it waits, so run it with {@link NAMESPACE_GRACE_MS}.
 * `argv[0]` is looked up inside.
 *
 * Needs util-linux 2.38 (`--map-auto`), and for an ordinary user `newuidmap` and `newgidmap`.
 */
export function inRootNamespace(
  argv: readonly [string, ...string[]],
  { uid }: NamespaceOptions,
): [string, ...string[]] {
  const users = uid === 0 ? [] : ['--user', '--map-auto', '--map-root-user'];
  return [
    'setpriv',
    ...[
      '--pdeathsig',
      'KILL',
      '--',
      'unshare',
      ...users,
      '--mount',
      '--pid',
      '--fork',
      '--kill-child=SIGKILL',
      '--',
    ],
    ...argv,
  ];
}

/** `graceMs` for a command in a namespace: SIGTERM has no effect, so SIGKILL follows at once. */
export const NAMESPACE_GRACE_MS = 0;

import type { Environment } from './settings.ts';

/**
 * Flags for the daemon's Node. By default, V8 lets the heap's young generation grow to 48 MiB as soon as
 * several clients are busy at once, and never shrinks it; all live objects of the daemon take a third of
 * that. The daemon mostly waits for guests, so more frequent collections cost nothing noticeable. The other
 * flag lets an idle daemon give its memory back (`daemon/watch/idle-memory.ts`).
 */
export const DAEMON_NODE_FLAGS = ['--max-semi-space-size=2', '--expose-gc'] as const;

/**
 * Settings for the daemon's C library (mallopt(3); only glibc reads them). Data from guests arrives in
 * buffers of about 16 KiB, which live briefly and lie between long-lived ones. By default, glibc keeps the
 * memory of a busy moment, 30 MiB and more. With these settings it returns each such buffer to the kernel.
 */
export const DAEMON_MALLOC: Environment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '16384',
  MALLOC_TRIM_THRESHOLD_: '65536',
};

/** The environment for the daemon. Settings of the user are kept. */
export function daemonEnvironment(env: Environment): Environment {
  return { ...DAEMON_MALLOC, ...env };
}

/** The original environment, for programs that the daemon starts. */
export function withoutDaemonSettings(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value === undefined || DAEMON_MALLOC[name] !== value),
  );
}

import type { Environment } from './settings.ts';

/**
 * For the daemon's Node. By itself V8 lets the heap's young generation grow to 48 MiB as soon as several
 * clients are busy at once, and never gives that back; what lives in the daemon's whole heap is a third of
 * that. A daemon waits for guests most of its time, so collecting more often costs nothing that shows.
 */
export const DAEMON_NODE_FLAGS = ['--max-semi-space-size=2'] as const;

/**
 * For the daemon's C library (mallopt(3); another than glibc ignores it). What guests say comes in pieces of
 * some 16 KiB, which live for a moment and lie between things that live for long: by itself glibc keeps what
 * was once needed for a busy moment, 30 MiB and more. Like this such pieces are given back one by one.
 */
const MALLOC: Environment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '16384',
  MALLOC_TRIM_THRESHOLD_: '65536',
};

/** The environment that the daemon is started with; what the user has set stays. */
export function daemonEnvironment(env: Environment): Environment {
  return { ...MALLOC, ...env };
}

/** The same as it was: for the programs that the daemon starts. */
export function withoutDaemonSettings(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value === undefined || MALLOC[name] !== value),
  );
}

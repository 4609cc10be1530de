/** What VMMs and their libraries read of the system: code, processor and time zone data. */
export const SYSTEM_FILES = [
  ...['/usr/lib', '/usr/lib32', '/usr/lib64', '/lib', '/lib64', '/usr/local/lib', '/nix/store', '/gnu/store'],
  ...['/etc/ld.so.cache', '/etc/ld.so.preload', '/etc/ld-musl-x86_64.path', '/etc/ld-musl-aarch64.path'],
  ...['/usr/share/zoneinfo', '/etc/localtime'],
  ...['/sys/devices/system/cpu', '/sys/devices/system/node', '/sys/kernel/mm/transparent_hugepage'],
] as const;

/** Devices that give a VMM access to nothing else. */
export const DEVICES = ['/dev/null', '/dev/zero', '/dev/random', '/dev/urandom'] as const;

/** Size limit of the console's log, and of the VMM's own. */
export const LOG_BYTES = 4 * 2 ** 20;

/** Repeats an option of `banger-host confine` for each value. */
export function option(name: string, values: Iterable<string>): string[] {
  return [...values].flatMap((value) => [name, value]);
}

import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeCpio } from '../../src/adapters/kernel/initrd/cpio.ts';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import { exec, spawnDetached } from '../../src/base/process/exec.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { endChild } from '../end-child.ts';
import type { Lab } from '../lab.ts';

/** How to start a VMM without banger. */
export interface BareQemu {
  argv: readonly [string, ...string[]];
  /** file for its console */
  consolePath: string;
}

/** `ms` for a bare VM to print its line. */
const START_DEADLINE_MS = 60_000;

/** The line that the init in `floor/init` prints as soon as it runs. */
const MARK = 'BARE-INIT-UP';

/**
 * Options of the VMM that decide how fast a kernel boots; all others (drives, ports, control sockets) are
 * left out.
 */
const KEPT_OPTIONS = new Set(['-M', '-machine', '-accel', '-cpu', '-smp', '-m', '-kernel', '-append']);

/**
 * Describes a bare VM like the running `vm`: the same program, machine, accelerator, CPUs, memory, kernel and
 * kernel command line, and an initramfs with nothing but a static program that prints a line.
 */
export async function bareQemuLike(vm: Vm, { scratch, root }: Lab, { signal }: Abortable): Promise<BareQemu> {
  invariant(vm.runtime, 'the VM to compare with runs');
  const full = (await readFile(`/proc/${vm.runtime.pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
  const initPath = join(scratch, 'bare-init');
  const initrdPath = join(scratch, 'bare-initrd');
  await exec(['go', 'build', '-trimpath', '-ldflags=-s -w', '-o', initPath, '.'], {
    cwd: join(root, 'bench', 'floor', 'init'),
    env: { ...process.env, CGO_ENABLED: '0' },
    signal,
  });
  const archive = writeCpio([
    { type: 'file', path: 'init', mode: 0o755, content: await readFile(initPath) },
    { type: 'directory', path: 'dev', mode: 0o755 },
    { type: 'character device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  ]);
  await writeFile(initrdPath, archive);
  return { argv: bareArgv(full, initrdPath), consolePath: join(scratch, 'bare-console') };
}

/** Returns the `ms` from the start of a bare VMM to the line of its init. */
export async function bareStartMs(bare: BareQemu, options: Abortable): Promise<number> {
  const begun = performance.now();
  return await whileBareRuns(bare, options, async () => performance.now() - begun);
}

/**
 * Starts a bare VM, waits for its init, calls `use` with the VMM's process id, and then kills the VM.
 */
export async function whileBareRuns<T>(
  { argv, consolePath }: BareQemu,
  { signal }: Abortable,
  use: (pid: number) => Promise<T>,
): Promise<T> {
  await using console = await open(consolePath, 'w');
  const child = await spawnDetached(argv, { outputFd: console.fd });
  try {
    const hasMark = async (): Promise<true | undefined> =>
      (await readFile(consolePath, 'utf8')).includes(MARK) || undefined;
    await poll(hasMark, { everyMs: 2, deadlineMs: START_DEADLINE_MS, what: 'the bare VM to start', signal });
    return await use(child.pid);
  } finally {
    await endChild(child);
  }
}

function bareArgv(full: readonly string[], initrdPath: string): [string, ...string[]] {
  const [program] = full;
  invariant(program, 'a process has a name');
  const kept = full.flatMap((option, at) =>
    KEPT_OPTIONS.has(option) ? [option, withoutBackend(option, full[at + 1] ?? '')] : [],
  );
  const own = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'];
  return [program, ...kept, ...own, '-initrd', initrdPath];
}

/** The machine option without its memory object, which a bare VM does not have. */
function withoutBackend(option: string, value: string): string {
  return /^-(M|machine)$/.test(option) ? value.replace(/,memory-backend=[^,]*/, '') : value;
}

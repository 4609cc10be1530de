import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { type Abortable, poll } from '../../../base/abort.ts';
import { spawnDetached } from '../../../base/process/exec.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { BootSource } from '../../../core/ports/vmm/spec.ts';
import type { Accelerator } from '../../../protocol/vm.ts';
import type { ProbeOutcome, ProbeResult } from '../kvm/kvm.ts';
import { hasReachedInitramfs, probeSpec } from '../kvm/probe-guest.ts';
import { openVmmLog } from '../vmm-log.ts';
import { endProcess, findByArgument, readVmmProcess } from '../vmm-process.ts';
import { launchArgv } from './launch/confine.ts';
import type { QemuHost } from './qemu-host.ts';
import { runtimeFiles } from './runtime-files.ts';

/** A test boot and its time limit. */
export interface ProbeBoot {
  boot: BootSource;
  accelerator: Accelerator;
  host: QemuHost;
  env: NodeJS.ProcessEnv;
  /** folder of this probe alone; its content is deleted. Concurrent probes need separate folders */
  dir: string;
  /** `ms` on a host that starts a VMM immediately; a slower host gets more */
  deadlineMs: number;
}

/**
 * How many times longer than the start of its VMM a boot on KVM may take, with a margin: on an idle host they
 * take 0.5 s and 0.1 s.
 */
const BOOT_PER_VMM_START = 20;
/** Upper bound for a test boot, in `ms`. */
const MAX_DEADLINE_MS = 120_000;

/**
 * Boots the kernel with the accelerator, with the command line of a VM but without drives, and reports how
 * far it came. Leaves no process and no file; first removes what a killed earlier probe left.
 */
export async function probeBoot(probe: ProbeBoot, { signal }: Abortable): Promise<ProbeResult> {
  const { dir, host, env, deadlineMs } = probe;
  const spec = probeSpec(probe);
  const files = runtimeFiles(dir);
  for (const stray of await findByArgument('-pidfile', files.pidFile)) {
    await endProcess(stray, { graceMs: 0 });
  }
  await rm(dir, { recursive: true, force: true });
  await using undo = new ResourceStack();
  undo.defer(`remove "${dir}"`, () => rm(dir, { recursive: true, force: true }));
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await using log = await openVmmLog(spec.vmmLogPath);
  signal.throwIfAborted();
  const child = await spawnDetached(launchArgv(spec, host, { kind: 'boot' }, { isBrief: true }), {
    outputFd: log.fd,
    env,
    cwd: dir,
  });
  const vmm = await readVmmProcess(child.pid);
  if (vmm) undo.defer(`kill process ${vmm.pid}`, () => endProcess(vmm, { graceMs: 0 }));
  let hasExited = false;
  void child.exited.then(() => {
    hasExited = true;
  });
  const limit = new BootLimit(deadlineMs);
  const outcome = await poll<ProbeOutcome>(
    async () => {
      if (existsSync(files.pidFile)) limit.vmmIsUp();
      // In this order, because output before the exit still counts.
      const isOver = hasExited;
      if (await hasReachedInitramfs(spec)) return 'reached';
      if (isOver) return 'ended';
      return limit.isOver() ? 'late' : undefined;
    },
    { everyMs: 10, deadlineMs: 2 * MAX_DEADLINE_MS, what: 'the initramfs of a test boot', signal },
  );
  return { outcome, deadlineMs: limit.ms };
}

/**
 * The time limit of a test boot. A host that is slow at the moment, because it is shared or itself emulated,
 * is also slow to start the VMM, which depends on no accelerator. The guest then gets proportionally more
 * time.
 */
class BootLimit {
  readonly #begunAt = performance.now();
  /** the limit in `ms` */
  ms: number;
  #isUp = false;

  constructor(deadlineMs: number) {
    this.ms = deadlineMs;
  }

  /** Called when the VMM has come up; only the first call counts. */
  vmmIsUp(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    const inProportion = Math.min(BOOT_PER_VMM_START * this.#tookMs(), MAX_DEADLINE_MS);
    this.ms = Math.max(this.ms, Math.round(inProportion / 100) * 100);
  }

  isOver(): boolean {
    return this.#tookMs() >= (this.#isUp ? this.ms : MAX_DEADLINE_MS);
  }

  #tookMs(): number {
    return performance.now() - this.#begunAt;
  }
}

import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { messageOf } from '../../src/base/errors.ts';
import { processEnvironment, resolvePaths } from '../../src/config/settings.ts';
import { overlaySize } from '../../src/core/overlay-size.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import type { DriveSpec } from '../../src/core/ports/vmm/spec.ts';
import { bootVm, type TestVm } from '../e2e/support/boot-vm.ts';
import { findKernel } from '../e2e/support/kernel.ts';
import { makeSparse } from '../e2e/support/small-image.ts';
import { HOST_CHECKS, LOAD_KVM } from './host-checks.ts';
import { makeHostDrive } from './host-drive.ts';
import { hostImage } from './host-image.ts';
import { runCheck } from './run-check.ts';

// Proves on KVM what `npm test` proves under emulation: the host is a VM of ours, whose emulated processor
// has AMD's virtualization.

const ROOT = join(import.meta.dirname, '..', '..');
const LOGS = join(ROOT, '.cache', 'nested-logs');
const USAGE = `usage: npm run nested -- [--only TEXT]

  --only   runs the checks whose name holds this text, and those that they need

Logs of each check go to ${LOGS}.
`;
const MIB = 2 ** 20;
const HOST_MEMORY_MIB = 3 * 1024;
const HOST_FREE_BYTES = 512 * MIB;
const BOOT_DEADLINE_MS = 10 * 60_000;
/**
 * The host emulates a processor that runs VMs: beside other work its agent may wait minutes for its turn.
 * Each check has a deadline of its own.
 */
const WATCH_TIMES = { quietMs: 60_000, silentMs: 15 * 60_000, startingMs: 15 * 60_000 };
/**
 * QEMU's emulation of AMD's virtualization lets the host's kernel die now and then, with the segment base of a guest in an interrupt. That is no
 * fault of what is tested: the check is repeated after a power cut of the host, which the product must survive anyway.
 */
const MAX_PANICS = 5;
/** Checks that every other stands on. */
const NEEDED = 2;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(name)));
  const { signal } = stop;
  const scratch = await mkdtemp(join(tmpdir(), 'nested-'));
  try {
    const boot = await prepareHost(scratch, { signal });
    return await runChecks(boot, { only: values.only ?? '', signal });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Makes the host's drives; returns what starts it with them, again and again. */
async function prepareHost(scratch: string, { signal }: Abortable): Promise<() => Promise<TestVm>> {
  await ensureDefaultImage(ROOT);
  const kernel = await findKernel({ signal });
  if (!kernel) throw new Error('no kernel is in the store: npm run setup');
  say('making the host');
  const image = await hostImage(join(resolvePaths(processEnvironment()).cacheDir, 'nested-host'), { signal });
  const path = (name: string): string => join(scratch, name);
  await makeHostDrive(path('work.ext4'), { root: ROOT, kernel, scratchDir: scratch, signal });
  const { overlayBytes } = overlaySize({ imageBytes: image.sizeBytes, freeBytes: HOST_FREE_BYTES });
  await makeSparse(path('overlay.img'), overlayBytes);
  const drives: DriveSpec[] = [
    drive('root', image.path, true),
    drive('overlay', path('overlay.img'), false),
    drive('work', path('work.ext4'), false),
    drive('modules', kernel.modulesPath, true),
  ];
  const bootArgs = ['rw', `banger.overlay_free=${HOST_FREE_BYTES}`];
  const request = { dir: scratch, kernel, drives, bootArgs, memoryMib: HOST_MEMORY_MIB };
  return () => bootVm({ ...request, bootDeadlineMs: BOOT_DEADLINE_MS, watchTimes: WATCH_TIMES }, { signal });
}

/** A host that runs, and the link to its agent. */
interface Host {
  vm: TestVm;
  agent: GuestAgent;
}

async function startHost(boot: () => Promise<TestVm>, { signal }: Abortable): Promise<Host> {
  const begun = performance.now();
  const vm = await boot();
  const agent = await vm.connect();
  await agent.ready({ signal });
  say(`the host is ready after ${seconds(performance.now() - begun)}`);
  return { vm, agent };
}

async function endHost({ vm, agent }: Host): Promise<void> {
  await agent[Symbol.asyncDispose]();
  await vm[Symbol.asyncDispose]();
}

async function runChecks(
  boot: () => Promise<TestVm>,
  { only, signal }: Abortable & { only: string },
): Promise<number> {
  const begun = performance.now();
  await rm(LOGS, { recursive: true, force: true });
  await mkdir(LOGS, { recursive: true });
  let host = await startHost(boot, { signal });
  const total = { passed: 0, failed: 0, skipped: 0 };
  let panics = 0;
  try {
    for (const [at, check] of HOST_CHECKS.entries()) {
      if (at >= NEEDED && !check.name.includes(only)) continue;
      let result = await runCheck(host.agent, check, { signal });
      while (result.isHostLost && panics < MAX_PANICS && (await hasPanicked(host.vm))) {
        panics += 1;
        await cp(host.vm.consoleLogPath, join(LOGS, `host-panic-${panics}.log`));
        say(`     the host's kernel panicked during "${check.name}": once more, in a host started again`);
        await endHost(host);
        host = await startHost(boot, { signal });
        await runCheck(host.agent, LOAD_KVM, { signal });
        result = await runCheck(host.agent, check, { signal });
      }
      await writeFile(join(LOGS, `${at + 1}.log`), `${check.name}\n\n${result.log}`);
      for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += result[key];
      say(`${result.failed === 0 ? 'ok  ' : 'FAIL'} ${check.name} (${result.seconds.toFixed(1)} s)`);
      if (result.failed > 0) write(result.log.trimEnd().replace(/^/gm, '     ').concat('\n'));
    }
    await bringLogs(host, { signal });
  } finally {
    await endHost(host);
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  say(`${seconds(performance.now() - begun)}, ${panics} panics of the host; logs are in ${LOGS}`);
  say(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
}

async function hasPanicked(vm: TestVm): Promise<boolean> {
  return (await readFile(vm.consoleLogPath, 'latin1')).includes('Kernel panic');
}

/** The host's console, and what its daemon, its VMs and failed tests wrote. */
async function bringLogs({ vm, agent }: Host, { signal }: Abortable): Promise<void> {
  await cp(vm.consoleLogPath, join(LOGS, 'host-console.log'));
  const script =
    "find .local/state/banger t -name '*.log' -size -4M -print0 | tar -czf - --null -T - || true";
  const { stdout } = await agent.run({ argv: ['sh', '-c', `cd /root; ${script}`] }, { signal });
  await writeFile(join(LOGS, 'host-logs.tar.gz'), stdout);
}

function drive(serial: DriveSpec['serial'], pathOnHost: string, isReadOnly: boolean): DriveSpec {
  return { serial, pathOnHost, format: 'raw', isReadOnly, sizeBytes: 0 };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`;
}

function say(text: string): void {
  write(`${text}\n`);
}

function write(text: string): void {
  process.stdout.write(text);
}

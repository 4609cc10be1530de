import { cp, lstat, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { editFiles, makeRepository } from '../../bench/make-repository.ts';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import { sleep } from '../../src/base/abort.ts';
import { messageOf } from '../../src/base/errors.ts';
import { openLab } from '../e2e/support/lab.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import { SMALL_SHAPE } from '../support/small-shape.ts';
import { runClients, runCycles, runEachStep } from './clients.ts';
import { countHost, type HostCounts, whatIsNew } from './host-counts.ts';
import { MemoryWatch } from './memory-watch.ts';
import { must, type Soak } from './soak.ts';
import { VmPool } from './vm-pool.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const USAGE = `usage: npm run soak -- [--cycles 200] [--minutes 30] [--clients 8] [--vms 6] [--seed N]

  --cycles   how often a VM is created, used and deleted, one after another
  --minutes  how long clients then work side by side, with all kinds of commands
  --clients  how many there are
  --vms      how many VMs they have at most
  --seed     chooses what they do

Exit status 1 when a command failed, when something is left that was not there before, or when the daemon has grown.
`;

/** How much the daemon's memory may grow between its warm-up and the end, in `MiB`. */
const MOST_GROWTH_MIB = 20;

/** `ms` for background work to end, and between two measurements of the memory. */
const SETTLE_MS = 15_000;
const MEMORY_EVERY_MS = 2_000;
const WARM_UP_MS = 90_000;

process.exitCode = await main(interruptSignal()).catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      cycles: { type: 'string', default: '200' },
      minutes: { type: 'string', default: '30' },
      clients: { type: 'string', default: '8' },
      vms: { type: 'string', default: '6' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [cycles, minutes, clients, vms, seed] = [
    values.cycles,
    values.minutes,
    values.clients,
    values.vms,
    values.seed,
  ].map(Number) as [number, number, number, number, number];
  await ensureDefaultImage(ROOT);
  // Separate folders for everything that the daemon writes, so that all of it can be counted.
  const scratch = await mkdtemp(join(tmpdir(), 'bs-'));
  const temp = join(scratch, 't');
  await mkdir(temp);
  await using lab = await openLab({
    scratch,
    hasStandby: true,
    env: { XDG_CACHE_HOME: join(scratch, 'cache'), TMPDIR: temp },
  });
  const random = randomOf(seed);
  const files = join(lab.scratch, 'files');
  await mkdir(files);
  const repo = join(lab.scratch, 'repo');
  await makeRepository(repo, 100, { signal });
  await editFiles(repo, 1);
  let made = 0;
  const soak: Soak = {
    lab,
    pool: new VmPool(vms, random),
    repo,
    files,
    random,
    counts: new Map(),
    failures: [],
    begunAt: Date.now(),
    signal,
    newName: () => {
      made += 1;
      return `soak-${made}`;
    },
  };
  say(`seed ${seed}, folder ${lab.scratch}`);
  await must(soak, 'first VM', ['vm', 'run', '--rm', ...SMALL_SHAPE, '--', 'true']);
  using memory = new MemoryWatch(await lab.daemonPid(), MEMORY_EVERY_MS);
  const settled = async (what: string): Promise<HostCounts> => {
    await sleep(SETTLE_MS, { signal });
    const counts = await countHost(lab);
    const { rssMib, privateMib } = await memory.look();
    const sizes = Object.entries(counts).map(([kind, names]) => `${kind} ${names.length}`);
    const status = JSON.parse(await lab.text(['daemon', 'status', '--json'])) as { memory: object };
    say(
      `${what}: RSS ${rssMib.toFixed(1)} MiB, private ${privateMib.toFixed(1)}; ${sizes.join(', ')}; ${JSON.stringify(status.memory)}`,
    );
    return counts;
  };
  await settled('after the first VM');
  await runEachStep(soak);
  await runClients(soak, { count: clients, durationMs: WARM_UP_MS });
  // Not earlier, because files that are created once and kept, such as blank disks, are not a leak.
  const before = await settled('after the warm-up');
  const warm = await memory.look();
  await runCycles(soak, cycles);
  await settled(`after ${cycles} cycles`);
  const { atMs: mixedAt } = await memory.look();
  await runClients(soak, { count: clients, durationMs: minutes * 60_000 });
  const slope = memory.slopeMibPerHour(mixedAt);
  const after = await settled(`after ${minutes} minutes of ${clients} clients`);
  const end = await memory.look();
  const leaked = whatIsNew(before, after);
  const growthMib = end.rssMib - warm.rssMib;
  say('');
  for (const [step, count] of [...soak.counts].sort()) say(`  ${String(count).padStart(6)}  ${step}`);
  say(`steps: ${[...soak.counts.values()].reduce((sum, count) => sum + count, 0)}`);
  say(`failed: ${soak.failures.length}`);
  for (const { atMs, step, command, why } of soak.failures.slice(0, 20)) {
    say(`  ${Math.round(atMs / 1000)} s, ${step}: banger ${command}: ${why}`);
  }
  say(`left behind: ${leaked.length}`);
  for (const name of leaked.slice(0, 50)) say(`  ${name}`);
  say(
    `daemon's RSS: ${warm.rssMib.toFixed(1)} MiB warm, ${end.rssMib.toFixed(1)} at the end (${growthMib.toFixed(1)} more), ${memory.peakMib().toFixed(1)} at most, ${slope.toFixed(1)} MiB an hour while the clients worked`,
  );
  const isGood = soak.failures.length === 0 && leaked.length === 0 && growthMib < MOST_GROWTH_MIB;
  say(isGood ? 'soak: passed' : 'soak: FAILED');
  if (!isGood) {
    const evidence = await mkdtemp(join(tmpdir(), 'soak-evidence-'));
    const isCopied = async (path: string): Promise<boolean> => !(await lstat(path)).isSocket();
    await cp(lab.paths.stateDir, evidence, { recursive: true, filter: isCopied });
    say(`the daemon's log and records: ${evidence}`);
  }
  return isGood ? 0 : 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

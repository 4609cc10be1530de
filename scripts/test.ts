import { existsSync, realpathSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { addCounts, type Counts, countsLine, NO_COUNTS, skipsText, stageLine } from './test/counts.ts';
import { ensureDefaultImage } from './test/default-image.ts';
import { Evidence } from './test/evidence.ts';
import { familyOf, hostProcesses, killAll, processesOf } from './test/processes.ts';
import { fileNeedsImage, runFile, STAGES, type StageContext } from './test/stages.ts';

const ROOT = realpathSync(join(import.meta.dirname, '..'));

/** A stage, or one file that runs with the settings of its stage. */
interface Job {
  name: string;
  needsImage: boolean;
  run(context: StageContext): Promise<Counts>;
}

/** Each round takes some 20 ms. */
const MOST_ROUNDS = 50;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    write('usage: npm test -- [STAGE | FILE]...\n\n');
    for (const { name, what } of STAGES) write(`  ${name.padEnd(13)}${what}\n`);
    return 0;
  }
  const jobs: Job[] = [];
  for (const arg of args) {
    const job = jobOf(arg);
    if (!job) {
      process.stderr.write(
        `error: Cannot test "${arg}": it is no file here and none of ${STAGES.map((s) => s.name).join(', ')}\n`,
      );
      return 2;
    }
    jobs.push(job);
  }
  return await runAll(jobs.length > 0 ? jobs : [...STAGES]);
}

function jobOf(arg: string): Job | undefined {
  const stage = STAGES.find(({ name }) => name === arg);
  if (stage) return stage;
  const path = resolve(arg);
  if (!existsSync(path) || !statSync(path).isFile()) return undefined;
  const name = relative(ROOT, path);
  return { name, needsImage: fileNeedsImage(name), run: (context) => runFile(name, context) };
}

async function runAll(jobs: readonly Job[]): Promise<number> {
  // Tests make their folders here: short, because sockets are in them, and one place to look for evidence.
  const scratch = await mkdtemp(join(tmpdir(), 'bt-'));
  // Tests that act as another user must be able to pass through the folder, but not to list it.
  await chmod(scratch, 0o711);
  process.env['TMPDIR'] = scratch;
  // Each file is a process of its own, and all load the same sources. With this, Node removes the types from
  // each source and compiles it once in a run. In the scratch folder, because tests also run programs with
  // random paths, which would be kept for ever.
  process.env['NODE_COMPILE_CACHE'] = join(scratch, 'code');
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => leave(scratch, 128 + constants.signals[name]));
  }
  const folder = process.env['BANGER_TEST_EVIDENCE'] ?? join(ROOT, '.cache', 'test-evidence');
  const evidence = new Evidence({ scratch, folder });
  let total = NO_COUNTS;
  const times: string[] = [];
  try {
    for (const job of jobs) {
      const begun = performance.now();
      write(`\n== ${job.name}\n`);
      const counts = await runJob(job, { evidence, scratch });
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      times.push(`   ${job.name}: ${stageLine(counts)} (${seconds} s)`);
      total = addCounts(total, counts);
    }
    if (evidence.count > 0) write(`\nlogs of the tests that failed are in ${evidence.folder}\n`);
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 10 });
  }
  write(`${skipsText(total)}\n${times.join('\n')}\n${countsLine(total)}\n`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

/** Kills everything that the tests started, detached processes too, and exits. */
function leave(scratch: string, status: number): never {
  // A process may start another one during a scan; only the next round finds it.
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const processes = hostProcesses();
    const [, ...family] = familyOf(process.pid, processes);
    const found = [...family, ...processesOf(scratch, processes)];
    if (found.length === 0) break;
    killAll(found);
  }
  rmSync(scratch, { recursive: true, force: true });
  process.exit(status);
}

async function runJob(
  job: Job,
  { evidence, scratch }: { evidence: Evidence; scratch: string },
): Promise<Counts> {
  try {
    if (job.needsImage) await ensureDefaultImage(ROOT);
    return await job.run({
      root: ROOT,
      write,
      scratch,
      logs: () => evidence.logs(),
      onFailure: () => evidence.collect(),
    });
  } catch (error) {
    write(`FAIL ${job.name}: ${error instanceof Error ? error.stack : String(error)}\n`);
    return { ...NO_COUNTS, failed: 1 };
  }
}

function write(text: string): void {
  process.stdout.write(text);
}

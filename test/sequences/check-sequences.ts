import { cp, mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Abortable } from '../../src/base/abort.ts';
import { messageOf } from '../../src/base/errors.ts';
import { type Lab, openLab } from '../e2e/support/lab.ts';
import { openBench } from './bench.ts';
import { DRAWS, type Draw } from './choose-step.ts';
import { clearBench, runSequence } from './run-sequence.ts';

/** Which sequences to run. */
export interface SequencesRequest extends Abortable {
  /** determines all sequences, together with the number of workers */
  seed: number;
  count: number;
  /** how many sequences run at a time, each with its own daemon */
  workerCount: number;
  /** the one sequence of `seed` that a failure has named */
  path?: string;
  /** search for a shorter sequence that fails, too; takes many runs */
  isShrunk: boolean;
  note: (text: string) => void;
}

/** A sequence that failed, and how to run it again. */
export interface SequenceFailure {
  seed: number;
  path: string;
  message: string;
}

/** The results of the sequences. */
export interface SequencesReport {
  runCount: number;
  failures: SequenceFailure[];
}

/**
 * Runs sequences. A worker stops at its first failure, and keeps the logs of daemon, VMMs and guests. After
 * an abort, each sequence ends after its current step, and leaves no VM.
 */
export async function checkSequences(request: SequencesRequest): Promise<SequencesReport> {
  const { workerCount, count, seed } = request;
  const workers = Array.from({ length: workerCount }, async (_, worker) => {
    const share = Math.floor(count / workerCount) + (worker < count % workerCount ? 1 : 0);
    return await checkInOneLab({ ...request, seed: seed + worker, count: share });
  });
  const reports = await Promise.all(workers);
  return {
    runCount: reports.reduce((sum, { runCount }) => sum + runCount, 0),
    failures: reports.flatMap(({ failures }) => failures),
  };
}

async function checkInOneLab(request: SequencesRequest): Promise<SequencesReport> {
  const { seed, count, path, isShrunk, note, signal } = request;
  await using lab = await openLab({ hasStandby: true });
  const bench = await openBench(lab);
  let runCount = 0;
  const property = fc.asyncProperty(DRAWS, async (draws: Draw[]) => {
    const number = runCount;
    runCount += 1;
    note(`seed ${seed}: sequence ${number}`);
    await clearBench(bench);
    try {
      await runSequence(bench, draws, { signal, note: (text) => note(`seed ${seed}:   ${text}`) });
    } catch (error) {
      note(`seed ${seed}: failed: ${messageOf(error)}\nlogs are in ${await keepLogs(lab)}`);
      throw error;
    }
  });
  const details = await fc.check(property, {
    seed,
    // With a path, fast-check would continue with the sequences after it.
    numRuns: path === undefined ? count : 1,
    endOnFailure: !isShrunk,
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return { runCount, failures: [] };
  const error = details.errorInstance;
  const message = error instanceof Error ? error.message : String(error);
  return { runCount, failures: [{ seed, path: details.counterexamplePath ?? '', message }] };
}

async function keepLogs(lab: Lab): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sequence-'));
  const isWanted = async (path: string): Promise<boolean> =>
    path.endsWith('.log') || (await stat(path)).isDirectory();
  await cp(lab.scratch, folder, { recursive: true, filter: isWanted });
  return folder;
}

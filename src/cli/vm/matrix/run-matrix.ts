import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { AppError, invariant, printable } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import { isProgressPlain } from '../../../config/settings.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { ForkOwner } from '../fan-out/fork-owner.ts';
import { findCommit, listCommits } from '../fan-out/guest-commits.ts';
import { type LiveLines, liveLines } from '../fan-out/live-lines.ts';
import { lastLines, logName, openLogFolder } from '../fan-out/log-folder.ts';
import { repositoryOf } from '../fan-out/repository-of.ts';
import { type Axis, type Cell, COMMIT_KEY, cellsOf, labelOf } from './cells.ts';
import { ForkSupply } from './fork-supply.ts';
import { jobCountOf } from './job-count.ts';
import type { MatrixPlan } from './plan.ts';
import { gridLines, matrixTable, resultLine } from './render-matrix.ts';
import { type CellResult, type CellState, countsOf, statusOf } from './results.ts';
import { runCell } from './run-cell.ts';

/** Last lines of the log of a failed command that are shown. */
const TAIL_LINES = 10;

/** Lines of a terminal that does not say how many it has. */
const USUAL_ROWS = 24;

/**
 * Runs the command in one fork for each cell, prints the results, and returns the exit status. No fork is
 * left, except those of failed commands with `--keep-failed`.
 */
export async function runMatrix(plan: MatrixPlan, context: CommandContext): Promise<number> {
  const { signal, stdout } = context;
  const client = await context.client();
  const source = await client.showVm(plan.ref, { signal });
  const cells = cellsOf([...plan.axes, ...(await commitAxis(plan, source, { client, context }))]);
  const { vcpuCount, memoryMib } = source.shape;
  const facts = { cpuCount: availableParallelism(), freeMib: freemem() / 2 ** 20, vcpuCount, memoryMib };
  const jobCount = Math.min(cells.length, plan.jobCount ?? jobCountOf(facts));
  const logDir = await openLogFolder(plan.logDir, { command: 'matrix', env: context.io.env });
  context.notice(`${plural(cells.length, 'run')}, ${jobCount} at a time; logs: ${logDir}`);
  const results = await runCells(cells, { plan, source, client, context, jobCount, logDir });
  for (const result of results) await showTail(result, context);
  const status = statusOf(results);
  if (plan.isJson) {
    await context.printJson({ source: source.name, logs: logDir, counts: countsOf(results), cells: results });
  } else await context.print(matrixTable(results, stdout.columns));
  return status;
}

interface MatrixRun {
  plan: MatrixPlan;
  source: Vm;
  client: BangerClient;
  context: CommandContext;
  jobCount: number;
  logDir: string;
}

async function runCells(
  cells: readonly Cell[],
  { plan, source, client, context, jobCount, logDir }: MatrixRun,
): Promise<CellResult[]> {
  const { stderr, errorStyle: style, io } = context;
  const states: CellState[] = cells.map(() => ({ kind: 'waiting' }));
  const failing = new AbortController();
  const signal = AbortSignal.any([context.signal, failing.signal]);
  const isLive = stderr.isTerminal && !isProgressPlain(io.env);
  const showNews = context.showNews('vm matrix');
  let lines: LiveLines | undefined;
  const notice = (text: string): void => (lines ? lines.line(printable(text)) : context.notice(text));
  await using owner = new ForkOwner({ client, context, notice });
  const supply = await ForkSupply.open(owner, source.id, {
    ...{ jobCount, cellCount: cells.length, signal, onNews: showNews },
  });
  context.progress.clear();
  lines = liveLines(stderr, {
    isLive,
    rows: () => io.stderr.rows ?? USUAL_ROWS,
    draw: (maxLines) => {
      const shown = cells.map((cell, at) => ({ cell, state: states[at] ?? { kind: 'waiting' as const } }));
      return gridLines(shown, { now: performance.now(), maxLines, style });
    },
  });
  using shown = lines;
  const queue = [...cells];
  const work = async (): Promise<void> => {
    for (let cell = queue.shift(); cell; cell = queue.shift()) {
      states[cell.index] = { kind: 'running', since: performance.now() };
      if (isLive) shown.update();
      else if (!signal.aborted) shown.line(printable(`started ${labelOf(cell)}`));
      const log = join(logDir, logName(cell.index, labelOf(cell)));
      const result = await runCell(cell, { plan, owner, supply, client, context, log, signal, notice });
      states[cell.index] = result;
      context.signal.throwIfAborted();
      if (result.outcome !== 'cancelled') shown.line(resultLine(result, style));
      if (plan.isFailingFast && result.outcome !== 'passed') failing.abort(new Error('another run failed'));
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: jobCount }, work));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  return states.map((state) => {
    invariant(!('kind' in state), 'each run has a result');
    return state;
  });
}

/** The axis of `--commits`, if it was given. */
async function commitAxis(
  { commits }: MatrixPlan,
  source: Vm,
  { client, context: { signal } }: { client: BangerClient; context: CommandContext },
): Promise<Axis[]> {
  if (!commits) return [];
  const repository = { client, vm: source, guestPath: repositoryOf(source), signal };
  const from = await findCommit(commits.from, repository);
  const to = await findCommit(commits.to, repository);
  const found = await listCommits(['--reverse', '--topo-order', `^${from.id}`, to.id], repository);
  if (found.length === 0) {
    throw new AppError(
      'USAGE_OPTION_VALUE',
      `Cannot use "${commits.from}..${commits.to}" for --commits: it has no commits`,
      {
        hint: 'the older one comes first: --commits OLD..NEW',
        details: { field: 'commits' },
      },
    );
  }
  return [{ key: COMMIT_KEY, values: found.map(({ id }) => id) }];
}

async function showTail(result: CellResult, context: CommandContext): Promise<void> {
  if (result.outcome !== 'failed' || result.log === undefined) return;
  const lines = await lastLines(result.log, TAIL_LINES);
  if (lines.length === 0) return;
  context.notice(`last lines of ${labelOf(result)}:`);
  for (const line of lines) context.notice(`| ${line}`);
}

import { messageOf } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import type { ForkOwner } from '../fan-out/fork-owner.ts';
import { checkOut } from '../fan-out/guest-commits.ts';
import { repositoryOf } from '../fan-out/repository-of.ts';
import { runLogged } from '../fan-out/run-logged.ts';
import { startFolder } from '../start-folder.ts';
import { type Cell, COMMIT_KEY, variablesOf, wordsOf } from './cells.ts';
import type { ForkSupply } from './fork-supply.ts';
import type { MatrixPlan } from './plan.ts';
import type { CellResult } from './results.ts';

/** What the run of a cell needs. */
export interface CellRun {
  plan: MatrixPlan;
  owner: ForkOwner;
  supply: ForkSupply;
  client: BangerClient;
  context: CommandContext;
  /** path of its log */
  log: string;
  /** aborts when the whole, or only this cell, is cancelled */
  signal: AbortSignal;
  notice: (text: string) => void;
}

/** Runs the command of a cell in a fork of its own, which it deletes or keeps. Never throws. */
export async function runCell(cell: Cell, run: CellRun): Promise<CellResult> {
  const { plan, owner, supply, log, signal } = run;
  let beganAt = performance.now();
  const ended = (): number => Math.round(performance.now() - beganAt);
  let vm: Vm | undefined;
  try {
    vm = await supply.take(signal);
    const start = await prepare(cell, vm, run);
    beganAt = performance.now();
    const exitStatus = await runLogged(run.client, vm.id, { start, logFile: log, signal });
    const outcome = exitStatus === 0 ? 'passed' : 'failed';
    const durationMs = ended();
    const isKept = outcome === 'failed' && plan.isKeepingFailed && (await owner.keep(vm.id));
    return { ...cell, outcome, exitStatus, durationMs, log, ...(isKept ? { vm: vm.name } : {}) };
  } catch (error) {
    if (signal.aborted) return { ...cell, outcome: 'cancelled', durationMs: ended() };
    return { ...cell, outcome: 'error', durationMs: ended(), error: messageOf(error) };
  } finally {
    if (vm) await owner.drop(vm.id);
  }
}

/** Checks out the cell's commit, and returns what is run. */
async function prepare(
  cell: Cell,
  vm: Vm,
  { plan, client, context, signal, notice }: CellRun,
): Promise<{ argv: string[]; env: Record<string, string>; cwd?: string }> {
  const commit = plan.commits && cell.values[COMMIT_KEY];
  if (commit !== undefined) await checkOut(commit, { client, vm, guestPath: repositoryOf(vm), signal });
  const quiet = { ...context, signal, notice };
  const cwd = vm.workspace && (await startFolder(vm.id, vm.workspace, { client, context: quiet }));
  return {
    argv: wordsOf(plan.command, cell),
    env: { ...plan.env, ...variablesOf(cell) },
    ...(cwd === undefined ? {} : { cwd }),
  };
}

import { type AppError, isAppError } from '../../base/errors.ts';
import { errorBodyOf } from '../../protocol/error-body.ts';
import type { ErrorBody } from '../../protocol/events.ts';
import type { EndedVm, Vm } from '../../protocol/vm.ts';
import { checkVmRef, resolveVmRef } from '../../protocol/vm-ref.ts';
import type { BangerClient } from '../../sdk/client.ts';
import { resultOf, type Work } from '../../sdk/work.ts';
import type { CommandContext } from '../context/context.ts';
import { exitStatusOf } from '../context/exit-status.ts';
import { type Span, spansOf } from '../context/spans.ts';
import { killOnInterrupt } from './kill-on-interrupt.ts';

/** An action on several VMs, and how its results are reported. */
export interface VmAction {
  /** for steps: `stop` */
  verb: string;
  /** what is printed for a VM after the action */
  outcome: (vm: EndedVm) => string;
  work: (client: BangerClient, ref: string, signal: AbortSignal) => Work<EndedVm>;
  /** Ctrl-C kills the VMs whose action is still in progress, and the command ends when they have ended */
  isKilledByInterrupt?: boolean;
  /** counts a VM as a failure if its guest did not write its data first */
  mustSync?: boolean;
  /** print one JSON array of {@link VmResult} */
  isJson: boolean;
  /** print only failures */
  isQuiet: boolean;
  /** say for each VM in the array where its time went */
  isTimed?: boolean;
}

/** The result for one VM, with `--json`. */
type VmResult =
  | { ref: string; outcome: string; vm: Vm; synced?: boolean; reason?: string; spans?: Span[] }
  | { ref: string; error: ErrorBody };

/** One VM, and the action on it. */
interface Task {
  /** the first reference that the user gave for it */
  ref: string;
  /** the reference that is sent to the daemon */
  target: string;
  done: Promise<{ vm: EndedVm; timed: { spans?: Span[] } }>;
}

/**
 * Runs an action on several VMs at the same time, once per VM even if it is named several times. Prints
 * `name: outcome` in the order in which the VMs were first named. A VM that fails, or is not found, does not
 * affect the others.
 *
 * @returns the exit status: 0 on success; after a failure, its status if there was only one VM, else 1.
 * @throws {InterruptedError} after Ctrl-C.
 */
export async function forEachVm(
  refs: readonly string[],
  action: VmAction,
  context: CommandContext,
): Promise<number> {
  const client = await context.client();
  const tasks = await begin(refs, action, { client, context });
  const results: VmResult[] = [];
  let status = 0;
  using interrupt = action.isKilledByInterrupt ? killOnInterrupt(tasks, { client, context }) : undefined;
  for (const { ref, done } of tasks) {
    try {
      const { vm: answer, timed } = await done;
      const outcome = action.outcome(answer);
      const { ending, ...vm } = answer;
      results.push({ ref, outcome, vm, ...ending, ...timed });
      if (action.mustSync && ending?.synced === false) status = 1;
      if (!action.isJson && !action.isQuiet) await context.print(`${vm.name}: ${outcome}`);
    } catch (error) {
      context.signal.throwIfAborted();
      if (tasks.length === 1 && !action.isJson) {
        await interrupt?.finish();
        throw error;
      }
      const failed = exitStatusOf(error, { runsGuestCommand: false });
      status = tasks.length === 1 ? failed : 1;
      results.push({ ref, error: errorBodyOf(error) });
      if (!action.isJson) await tell(error, context);
    }
  }
  if (action.isJson) await context.printJson(results);
  await interrupt?.finish();
  return status;
}

/**
 * Starts the action on every VM. Looks up several names in one list, because two of them may mean the same
 * VM.
 */
async function begin(
  refs: readonly string[],
  { verb, work, isTimed = false }: VmAction,
  { client, context }: { client: BangerClient; context: CommandContext },
): Promise<Task[]> {
  const { signal } = context;
  const [only, ...others] = new Set(refs);
  const show = context.showNews(`vm ${verb}`);
  const follow = async (ref: string): Task['done'] => {
    const spans = context.spans.branch();
    const vm = await resultOf(work(client, ref, signal), (news) => {
      show(news);
      if (news.event === 'progress') spans.begin(news.stage);
    });
    return { vm, timed: spansOf(spans, { isTimed }) };
  };
  if (only !== undefined && others.length === 0) return [{ ref: only, target: only, done: follow(only) }];
  const all = await client.listVms({ isAll: true, signal });
  const begun = new Set<string>();
  const tasks: Task[] = [];
  for (const ref of new Set(refs)) {
    const id = attempt(() => idOf(all, ref));
    if (typeof id !== 'string') tasks.push({ ref, target: ref, done: Promise.reject(id) });
    else if (!begun.has(id)) {
      begun.add(id);
      tasks.push({ ref, target: id, done: follow(id) });
    }
  }
  // Prevents an unhandled rejection: each task is awaited later, in order.
  for (const { done } of tasks) done.catch(() => {});
  return tasks;
}

function idOf(all: readonly Vm[], ref: string): string {
  checkVmRef(ref);
  return resolveVmRef(all, ref).id;
}

/** Returns the value of `look`, or the {@link AppError} that it throws. */
function attempt<T>(look: () => T): T | AppError {
  try {
    return look();
  } catch (error) {
    if (isAppError(error)) return error;
    throw error;
  }
}

async function tell(error: unknown, { progress, stderr, errorStyle }: CommandContext): Promise<void> {
  const { renderError } = await import('../render/error.ts');
  progress.clear();
  stderr.put(renderError(error, { style: errorStyle, logPath: undefined, isDebug: false }));
}

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

/** What is done to each VM, and how that is told. */
export interface VmAction {
  /** for steps: `stop` */
  verb: string;
  /** what is printed of a VM that it was done to */
  outcome: (vm: EndedVm) => string;
  work: (client: BangerClient, ref: string, signal: AbortSignal) => Work<EndedVm>;
  /** Ctrl-C kills the VMs that it is not done to yet, and the command ends when they are */
  isKilledByInterrupt?: boolean;
  /** a VM whose guest did not write its data first counts as a failure */
  mustSync?: boolean;
  /** print one JSON array of {@link VmResult} */
  isJson: boolean;
  /** print nothing of what went well */
  isQuiet: boolean;
  /** say of each VM in the array where its time went */
  isTimed?: boolean;
}

/** What became of one VM, with `--json`. */
type VmResult =
  | { ref: string; outcome: string; vm: Vm; synced?: boolean; reason?: string; spans?: Span[] }
  | { ref: string; error: ErrorBody };

/** One VM, and what is done to it. */
interface Task {
  /** as it was first named */
  ref: string;
  /** what the daemon knows it by */
  target: string;
  done: Promise<{ vm: EndedVm; timed: { spans?: Span[] } }>;
}

/**
 * Does the same to several VMs at once, each once however often and by whatever it is named, and prints
 * `name: outcome` in the order they were first named. One that fails, or is not found, does not keep the
 * others from it.
 *
 * @returns the exit status: 0, or that of the failure when there was one VM, or 1.
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

/** Starts all of it. With several names, all are looked up in one list: two of them may mean the same VM. */
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
  // Each is waited for in its turn.
  for (const { done } of tasks) done.catch(() => {});
  return tasks;
}

function idOf(all: readonly Vm[], ref: string): string {
  checkVmRef(ref);
  return resolveVmRef(all, ref).id;
}

/** What `look` gives, or the {@link AppError} that it throws. */
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

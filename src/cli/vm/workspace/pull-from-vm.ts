import { AppError, printable } from '../../../base/errors.ts';
import { isBranchName } from '../../../base/git/branch-name.ts';
import { plural } from '../../../base/text/words.ts';
import {
  PULL_CONFLICTS,
  type PulledWorkspace,
  type PullWorkspaceRequest,
} from '../../../protocol/api/workspace-pull.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { canAsk, confirm } from '../../context/confirm.ts';
import type { CommandContext } from '../../context/context.ts';
import type { Invocation } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { pullHunks, requireAsking } from './hunks/pull-hunks.ts';
import type { PULL_OPTIONS } from './options.ts';
import { planLines } from './render-plan.ts';

type PullOptions = Invocation<typeof PULL_OPTIONS>['options'];

/** Pulls from a VM, takes a pull back, or makes a branch of its commits. Returns the exit status. */
export async function pullFromVm(
  { args: [ref = ''], options }: Invocation<typeof PULL_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const problems = new ProblemList();
  for (const problem of wrongOptions(options)) problems.add(problem);
  problems.throwAny();
  if (options.hunks) requireAsking(context);
  const client = await context.client();
  if (options.undo) return await undo(client, ref, { options, context });
  if (options.branch !== undefined)
    return await branch(client, ref, { name: options.branch, options, context });
  const request: PullWorkspaceRequest = {
    umask: process.umask(),
    ...(options.conflicts === 'markers' ? { conflicts: 'markers' as const } : {}),
  };
  const run = (more: PullWorkspaceRequest): Promise<PulledWorkspace> =>
    context.follow(client.pullWorkspace(ref, { ...request, ...more }, { signal }), 'vm workspace');
  if (options.apply) return await show(await run({}), { options, context });
  const plan = await run({ dryRun: true, ...(options.hunks ? { hunks: true } : {}) });
  if (options.dryRun || plan.paths.length === 0 || !mayApply(plan, options)) {
    return await show(plan, { options, context });
  }
  if (!options.hunks && (options.json || !canAsk(context))) throw cannotAsk();
  const done = options.hunks
    ? await pullHunks(plan, { pull: run, context })
    : await pullAfterQuestion(plan, { pull: run, context });
  if (!done) {
    context.notice('nothing was changed');
    return 1;
  }
  context.notice(`${summary(done)}; to take it back: banger vm workspace pull ${ref} --undo`);
  if (options.json) await context.printJson(done);
  return statusOf(done);
}

/** Shows a plan, asks, and pulls; `undefined` after a no. */
async function pullAfterQuestion(
  plan: PulledWorkspace,
  {
    pull,
    context,
  }: { pull: (request: PullWorkspaceRequest) => Promise<PulledWorkspace>; context: CommandContext },
): Promise<PulledWorkspace | undefined> {
  context.stderr.put(planLines(plan, context.errorStyle));
  const question = `Change ${plural(plan.paths.length, 'file')} in ${printable(plan.root)}?`;
  return (await confirm(question, context)) ? await pull({ expected: plan.digest }) : undefined;
}

async function show(
  pulled: PulledWorkspace,
  { options, context }: { options: PullOptions; context: CommandContext },
): Promise<number> {
  if (options.json) {
    await context.printJson(pulled);
    return statusOf(pulled);
  }
  await context.print(planLines(pulled, context.style));
  context.notice(summary(pulled));
  return statusOf(pulled);
}

/** 1 when conflicts are left to the user, or keep everything from being changed. */
function statusOf({ conflicts, refused }: PulledWorkspace): number {
  return conflicts.length + refused.length > 0 ? 1 : 0;
}

function mayApply({ conflicts, refused }: PulledWorkspace, { conflicts: how }: PullOptions): boolean {
  return refused.length === 0 && (conflicts.length === 0 || how === 'markers');
}

function summary({ paths, conflicts, refused, isApplied, root }: PulledWorkspace): string {
  if (paths.length + conflicts.length + refused.length === 0) return 'there are no changes';
  const counts = [
    `${plural(paths.length, 'file')} ${isApplied ? 'changed' : 'would be changed'} in ${root}`,
    ...(conflicts.length > 0 ? [plural(conflicts.length, 'conflict')] : []),
    ...(refused.length > 0 ? [`${refused.length} refused`] : []),
  ];
  return counts.join(', ');
}

async function undo(
  client: BangerClient,
  ref: string,
  { options, context }: { options: PullOptions; context: CommandContext },
): Promise<number> {
  const undone = await client.undoPull(ref, { signal: context.signal });
  if (options.json) await context.printJson(undone);
  else context.notice(`${plural(undone.paths.length, 'file')} as before the pull in ${undone.root}`);
  return 0;
}

async function branch(
  client: BangerClient,
  ref: string,
  { name, options, context }: { name: string; options: PullOptions; context: CommandContext },
): Promise<number> {
  const work = client.pullBranch(ref, { name }, { signal: context.signal });
  const landed = await context.follow(work, 'vm workspace');
  if (options.json) await context.printJson(landed);
  else {
    await context.print(
      `${printable(landed.branch)}: ${plural(landed.commitCount, 'commit')}, at ${landed.commit}`,
    );
    if (!landed.isComplete) context.notice('the VM also has changes that are not committed');
  }
  return 0;
}

function wrongOptions(options: PullOptions): AppError[] {
  const { branch: name, conflicts, undo: isUndo, dryRun, apply, hunks } = options;
  const found: AppError[] = [];
  const refuse = (code: string, message: string, hint?: string): void => {
    found.push(new AppError(code, message, { hint }));
  };
  const hows = [
    isUndo && '--undo',
    dryRun && '--dry-run',
    apply && '--apply',
    hunks && '--hunks',
    name !== undefined && '--branch',
  ];
  const given = hows.filter((how) => how !== false);
  if (given.length > 1) refuse('USAGE_OPTIONS', `Cannot use ${given.join(' and ')} together`);
  if (name !== undefined && !isBranchName(name)) {
    refuse(
      'USAGE_OPTION_VALUE',
      `Cannot use ${JSON.stringify(name)} for --branch: git does not allow that name`,
      'for example --branch from-web',
    );
  }
  if (conflicts !== undefined && (isUndo || name !== undefined)) {
    refuse('USAGE_OPTIONS', `Cannot use --conflicts with ${given.join(' and ')}: nothing is merged`);
  }
  if (conflicts !== undefined && !PULL_CONFLICTS.some((one) => one === conflicts)) {
    refuse(
      'USAGE_OPTION_VALUE',
      `Cannot use ${JSON.stringify(conflicts)} for --conflicts: there is no such way`,
      `use one of ${PULL_CONFLICTS.join(', ')}`,
    );
  }
  return found;
}

function cannotAsk(): AppError {
  return new AppError('USAGE_OPTIONS', 'Cannot ask whether to change files: there is no terminal', {
    hint: 'give --apply to change them, or --dry-run to see what would be changed',
  });
}

import { AppError, invariant, printable } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { CommandContext } from '../../context/context.ts';
import { ForkOwner } from '../fan-out/fork-owner.ts';
import {
  type Commit,
  findCommit,
  type GuestCommits,
  listCommits,
  listIds,
} from '../fan-out/guest-commits.ts';
import { openLogFolder } from '../fan-out/log-folder.ts';
import { repositoryOf } from '../fan-out/repository-of.ts';
import { chooseCommit, stepsLeft } from './choose-commit.ts';
import type { BisectPlan } from './plan.ts';
import { CommitTester } from './test-commit.ts';
import type { Tested } from './tested.ts';

/** How a bisection ended: with the first bad commit, or with those among which it is. */
interface Ended {
  firstBad?: Commit;
  candidates?: Commit[];
}

/**
 * Finds the first commit at which the command fails, prints it, and returns the exit status: 1 when commits
 * that cannot be tested hide it. No fork is left.
 */
export async function runBisect(plan: BisectPlan, context: CommandContext): Promise<number> {
  const { signal, style } = context;
  const client = await context.client();
  const source = await client.showVm(plan.ref, { signal });
  const commits: GuestCommits = { client, vm: source, guestPath: repositoryOf(source), signal };
  const good = await findCommit(plan.good, commits);
  const bad = await findCommit(plan.bad, commits);
  await requireOrder(good, bad, { plan, commits });
  const logDir = await openLogFolder(plan.logDir, { command: 'bisect', env: context.io.env });
  context.notice(`logs: ${logDir}`);
  await using owner = new ForkOwner({ client, context, notice: context.notice });
  const tester = new CommitTester({ plan, source, owner, client, context, logDir });
  if (plan.isVerified) {
    await requireVerdict(await tester.test(good), 'good');
    await requireVerdict(await tester.test(bad), 'bad');
  }
  const ended = await search(good, bad, { commits, tester, context });
  context.progress.clear();
  if (plan.isJson) {
    await context.printJson({ source: source.name, logs: logDir, ...ended, tested: tester.tested });
    return ended.firstBad ? 0 : 1;
  }
  const { firstBad, candidates = [] } = ended;
  if (!firstBad) context.notice('the other commits cannot be tested; the first bad commit is one of:');
  for (const { id, subject } of firstBad ? [firstBad] : candidates) {
    await context.print(`${style.yellow(id)} ${subject}`);
  }
  return firstBad ? 0 : 1;
}

interface SearchParts {
  commits: GuestCommits;
  tester: CommitTester;
  context: CommandContext;
}

async function search(
  first: Commit,
  last: Commit,
  { commits, tester, context }: SearchParts,
): Promise<Ended> {
  const goods = [first.id];
  let bad = last;
  const skipped = new Set<string>();
  const tried = new Set<string>();
  for (;;) {
    const candidates = await listIds(['--bisect-all', bad.id, ...goods.map((id) => `^${id}`)], commits);
    const choice = chooseCommit(candidates, { bad: bad.id, skipped });
    if (choice.kind === 'found') return { firstBad: bad };
    if (choice.kind === 'unclear') return { candidates: await named(choice.ids, commits) };
    if (tried.has(choice.id)) throw changing(commits);
    tried.add(choice.id);
    const [commit] = await named([choice.id], commits);
    invariant(commit, 'a commit that is listed has a name');
    const steps = plural(stepsLeft(choice.openCount), 'step');
    context.progress.step('vm bisect', `about ${steps} left: ${commit.id.slice(0, 12)} ${commit.subject}`);
    const { verdict } = await tester.test(commit);
    if (verdict === 'good') goods.push(commit.id);
    else if (verdict === 'bad') bad = commit;
    else skipped.add(commit.id);
  }
}

async function named(ids: readonly string[], commits: GuestCommits): Promise<Commit[]> {
  return await listCommits(['--no-walk=unsorted', ...ids], commits);
}

async function requireOrder(
  good: Commit,
  bad: Commit,
  { plan, commits }: { plan: BisectPlan; commits: GuestCommits },
): Promise<void> {
  const outside = await listIds(['--max-count=1', good.id, `^${bad.id}`], commits);
  const between = await listIds(['--max-count=1', bad.id, `^${good.id}`], commits);
  if (outside.length === 0 && between.length > 0) return;
  const why =
    between.length === 0 ? 'is not older than the bad one' : 'is not part of the history of the bad one';
  throw new AppError('USAGE_ARGUMENTS', `Cannot bisect: the good commit "${printable(plan.good)}" ${why}`, {
    hint: `the good commit comes first; git merge-base ${plan.good} ${plan.bad} names one that is older than both`,
    details: { field: 'good', value: plan.good },
  });
}

function requireVerdict({ commit, verdict, exitStatus, log }: Tested, wanted: 'good' | 'bad'): void {
  if (verdict === wanted) return;
  const said = verdict === 'skipped' ? 'cannot be tested' : wanted === 'good' ? 'fails' : 'succeeds';
  throw new AppError(
    'VM_BISECT_END_WRONG',
    `Cannot bisect: at the ${wanted} commit ${commit.slice(0, 12)} the command ${said} (status ${exitStatus})`,
    { hint: `see its output: ${log}`, details: { commit, exitStatus } },
  );
}

function changing({ vm }: GuestCommits): AppError {
  return new AppError('GUEST_FAILED', `Cannot bisect in vm "${vm.name}": its git listed a commit twice`, {
    hint: `look at it: banger vm exec ${vm.name} -- git fsck`,
  });
}

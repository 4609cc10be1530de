import { AppError } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { CommandContext } from '../../context/context.ts';
import { ProblemList } from '../../program/problems.ts';
import { guestFolder } from '../guest-path.ts';

/** What says which repository of a guest a command works on. */
interface RepositoryOptions {
  guestPath?: string | undefined;
  baseCommit?: string | undefined;
}

/**
 * Finds the VM and the repository in its guest: `--guest-path`, or where the working tree was copied to.
 * Reports what is wrong with the options, and `problems` too, before it asks the daemon. `verb` is for the
 * error.
 *
 * @throws {AppError} WORKSPACE_UNKNOWN when nothing was copied into the VM; USAGE_*, VM_NOT_FOUND
 */
export async function guestRepository(
  ref: string,
  { guestPath, baseCommit }: RepositoryOptions,
  options: { verb: string; problems?: readonly AppError[]; context: CommandContext },
): Promise<{ vm: Vm; guestPath: string }> {
  const { verb, context } = options;
  const problems = new ProblemList();
  const badBase = baseCommit === undefined ? undefined : wrongCommit(baseCommit);
  for (const problem of [...(badBase ? [badBase] : []), ...(options.problems ?? [])]) problems.add(problem);
  const given = problems.attempt(() => guestPath && guestFolder(guestPath, '--guest-path'));
  problems.throwAny();
  const vm = await (await context.client()).showVm(ref, context);
  const found = given || vm.workspace?.guestPath;
  if (found !== undefined) return { vm, guestPath: found };
  throw new AppError('WORKSPACE_UNKNOWN', `Cannot ${verb} "${vm.name}": no working tree was copied into it`, {
    hint: 'name the repository in the guest: --guest-path /root/repo',
  });
}

function wrongCommit(given: string): AppError | undefined {
  if (/^[0-9a-f]{4,64}$/i.test(given)) return undefined;
  return new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use ${JSON.stringify(given)} for --base-commit: it is not a commit name`,
    { hint: 'for example --base-commit "$(git rev-parse HEAD)"' },
  );
}

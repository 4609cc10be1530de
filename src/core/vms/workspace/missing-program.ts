import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';

/** What the commands of a working tree run in a guest, and how each is asked whether it is there. */
const PROGRAMS: readonly (readonly [string, ...string[]])[] = [
  ['sh', '-c', ':'],
  ['git', '--version'],
];

type Runner = Pick<GuestAgent, 'run'>;

/**
 * Returns the error to throw instead of `error`, which an operation on a working tree in a guest has failed
 * with: GUEST_PROGRAM_MISSING when the image lacks a program that the operation runs, else `error` itself.
 */
export async function explainMissingProgram(
  error: unknown,
  { openAgent, vmName, signal }: Abortable & { openAgent: () => Promise<Runner>; vmName: string },
): Promise<unknown> {
  if (!isAppError(error) || !/^(GUEST_FAILED|WORKSPACE_)/.test(error.code)) return error;
  const program = await missingProgram(openAgent, { signal });
  if (program === undefined) return error;
  return new AppError(
    'GUEST_PROGRAM_MISSING',
    `Cannot work on the working tree in vm "${vmName}": its image has no "${program}"`,
    {
      hint: 'install it in the guest, or use an image that has it; banger vm cp needs no program of the guest',
      details: { program },
      cause: error,
    },
  );
}

/** The first of the programs that the guest lacks; `undefined` when it has all, or cannot be asked. */
async function missingProgram(
  openAgent: () => Promise<Runner>,
  { signal }: Abortable,
): Promise<string | undefined> {
  for (const argv of PROGRAMS) {
    try {
      const agent = await openAgent();
      await agent.run({ argv, cwd: '/' }, { signal });
    } catch (error) {
      if (!isAppError(error)) throw error;
      return error.details?.['guestCode'] === 'not_found' ? argv[0] : undefined;
    }
  }
  return undefined;
}

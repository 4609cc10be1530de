import { AppError } from '../../../../base/errors.ts';
import type { PulledWorkspace, PullWorkspaceRequest } from '../../../../protocol/api/workspace-pull.ts';
import { openAnswers } from '../../../context/answers.ts';
import { canAsk } from '../../../context/confirm.ts';
import type { CommandContext } from '../../../context/context.ts';
import { chooseHunks } from './choose-hunks.ts';

/** Refuses to ask where nobody can answer. @throws {AppError} USAGE_OPTIONS */
export function requireAsking(context: CommandContext): void {
  if (canAsk(context)) return;
  throw new AppError('USAGE_OPTIONS', 'Cannot ask which hunks to pull: there is no terminal', {
    hint: 'give --apply to pull everything, or apply some files with banger vm workspace diff VM PATH... | git apply',
  });
}

/**
 * Asks which hunks of a plan are pulled, and pulls them. Returns `undefined` when that are none, and changes
 * nothing then; neither after Ctrl-C.
 */
export async function pullHunks(
  { files = [] }: PulledWorkspace,
  {
    pull,
    context,
  }: { pull: (request: PullWorkspaceRequest) => Promise<PulledWorkspace>; context: CommandContext },
): Promise<PulledWorkspace | undefined> {
  const choices = await (async () => {
    using answers = openAnswers(context);
    const show = (text: string): void => {
      context.progress.clear();
      context.stderr.put(text);
    };
    return await chooseHunks(files, { answers, show, style: context.errorStyle });
  })();
  if (choices === undefined) context.stderr.put('\n');
  if (choices === undefined || choices.length === 0) return undefined;
  return await pull({ choices });
}

import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { Work, WorkNews } from '../../../sdk/work.ts';
import type { CommandContext } from '../../context/context.ts';

/** A VM that the daemon is making, and the id of that operation. */
export interface LeftCreation {
  operation: string;
  /** name of the VM, if it has one yet */
  name?: string;
}

/**
 * Starts making a VM, and returns as soon as nothing is left that could be refused at once. The daemon
 * continues the work.
 *
 * @throws {AppError} the reason for a refusal.
 */
export async function leaveCreation(
  request: Omit<CreateVmRequest, 'ephemeral'>,
  { context, isQuiet }: { context: CommandContext; isQuiet: boolean },
): Promise<LeftCreation> {
  const client = await context.client();
  const work: Work<Vm> = client.createVm(request, { isDetached: true, signal: context.signal });
  const show = newsOfCreation(context, isQuiet);
  const left: LeftCreation = { operation: '' };
  for await (const step of work) {
    if (step.event === 'operation') left.operation = step.id;
    if (step.event === 'spec') left.name = step.name;
    if (step.event === 'result' || step.event === 'progress') break;
    show(step);
  }
  return left;
}

/** Returns a function that shows the news of a creation; when quiet, only notices. */
export function newsOfCreation(context: CommandContext, isQuiet: boolean): (news: WorkNews) => void {
  const show = context.showNews('vm create');
  return (news) => {
    if (!isQuiet || news.event === 'notice') show(news);
  };
}

import { AppError, printable } from '../../../base/errors.ts';
import type { ExecExit } from '../../../protocol/guest.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { prefixLines } from '../../vm/fork/prefix-lines.ts';
import type { Step, StepCommand } from '../config.ts';

/** As whom, where and with which variables commands run. */
export interface GuestStart {
  user: string;
  cwd: string;
  env: Record<string, string>;
}

/** How the commands of a step run in a guest. */
export interface StepPlace {
  client: BangerClient;
  vm: { id: string; name: string };
  start: GuestStart;
  context: CommandContext;
}

/**
 * Runs the commands of a step at the same time, and waits for all of them. Their output goes to stderr, each
 * line with the name of the hook in front. When one fails, the others are ended.
 *
 * @throws {AppError} DEVCONTAINER_COMMAND_FAILED, and the errors of `BangerClient.exec`.
 */
export async function runStep(hook: string, step: Step, place: StepPlace): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([place.context.signal, failed.signal]);
  const ends = step.map(async (command) => {
    try {
      await runCommand(hook, command, place, signal);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(ends);
  place.context.signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function runCommand(
  hook: string,
  { label, argv }: StepCommand,
  { client, vm, start, context }: StepPlace,
  signal: AbortSignal,
): Promise<void> {
  const name = label === undefined ? hook : `${hook} ${printable(label)}`;
  context.progress.step('devcontainer', name);
  const output = prefixLines(name, async (lines) => {
    context.progress.clear();
    await context.stderr.write(lines, { signal });
  });
  using session = await client.exec(vm.id, { ...start, argv }, { signal });
  session.end();
  for await (const event of session.output()) {
    if (event.kind !== 'exit') {
      await output.push(event.chunk);
      continue;
    }
    await output.end();
    return requireSuccess(event.exit, { name, vmName: vm.name });
  }
}

function requireSuccess(exit: ExecExit, { name, vmName }: { name: string; vmName: string }): void {
  if ('code' in exit && exit.code === 0) return;
  const how = 'code' in exit ? `it ended with status ${exit.code}` : `it was ended by ${exit.signal}`;
  throw new AppError('DEVCONTAINER_COMMAND_FAILED', `Cannot set up vm "${vmName}": ${name}: ${how}`, {
    hint: 'its output is above; what downloads something needs --nat',
    details: { command: name, exit },
  });
}

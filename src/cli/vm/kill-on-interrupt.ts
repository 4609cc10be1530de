import { messageOf } from '../../base/errors.ts';
import type { BangerClient } from '../../sdk/client.ts';
import { resultOf } from '../../sdk/work.ts';
import type { CommandContext } from '../context/context.ts';
import { InterruptedError } from '../context/interrupts.ts';

/** An action on a VM that Ctrl-C may cut short. */
interface Killable {
  /** the reference that is sent to the daemon */
  target: string;
  /** settles when the action is done */
  done: Promise<unknown>;
}

/** Until disposed of, Ctrl-C kills VMs. */
export interface KillOnInterrupt extends Disposable {
  /** Waits for the kills. @throws {InterruptedError} when there was a Ctrl-C. */
  finish(): Promise<void>;
}

/**
 * Makes the first Ctrl-C kill each VM whose task is not done; the task itself then reports how it ended. A
 * second Ctrl-C, or any other signal, ends this command and leaves the rest to the daemon.
 */
export function killOnInterrupt(
  tasks: readonly Killable[],
  { client, context }: { client: BangerClient; context: CommandContext },
): KillOnInterrupt {
  const { interrupts, signal } = context;
  const waiting = new Set(tasks.map(({ target }) => target));
  for (const { target, done } of tasks) {
    const forget = (): void => void waiting.delete(target);
    done.then(forget, forget);
  }
  let interrupted: InterruptedError | undefined;
  let kills: Promise<unknown> = Promise.resolve();
  const kill = async (target: string): Promise<void> => {
    try {
      await resultOf(client.killVm(target, {}, { signal }));
    } catch (error) {
      if (!signal.aborted) context.warn(messageOf(error));
    }
  };
  const redirect = interrupts.redirect((name) => {
    const reason = new InterruptedError(name);
    if (name !== 'SIGINT' || interrupted) return interrupts.end(reason);
    interrupted = reason;
    kills = Promise.all([...waiting].map(kill));
  });
  return {
    async finish() {
      if (!interrupted) return;
      await kills;
      interrupts.end(interrupted);
      signal.throwIfAborted();
    },
    [Symbol.dispose]: () => redirect[Symbol.dispose](),
  };
}

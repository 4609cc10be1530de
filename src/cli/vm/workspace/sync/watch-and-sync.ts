import { sleep } from '../../../../base/abort.ts';
import { AppError, isAppError, messageOf, printable } from '../../../../base/errors.ts';
import { formatSize } from '../../../../base/text/size.ts';
import { formatTime } from '../../../../base/text/words.ts';
import { realErrorOf } from '../../../../protocol/error-body.ts';
import type { Vm, VmWorkspace } from '../../../../protocol/vm.ts';
import { resultOf } from '../../../../sdk/work.ts';
import type { CommandContext } from '../../../context/context.ts';
import { Changes } from './changes.ts';
import { copyRequestOf } from './copy-request.ts';
import { TreeWatch } from './tree-watch.ts';

/** `ms` between looks whether the VM still is there, while nothing changes. */
const LOOK_MS = 10_000;

/** `ms` between attempts after a failure, and while the VM is suspended. */
const RETRY_MS = 1_000;

/** Failures in a row after which the watch ends. */
const MAX_FAILURES = 5;

/**
 * Copies what changes in a working tree into the VM, until the signal aborts.
 *
 * @throws {AppError} VM_NOT_RUNNING, VM_NOT_FOUND when the VM has ended; HOST_WATCH_LIMIT; the last of
 * several failures in a row. The abort reason after an abort.
 */
export async function watchAndSync(vm: Vm, workspace: VmWorkspace, context: CommandContext): Promise<never> {
  const changes = new Changes();
  using watch = new TreeWatch(workspace.sourcePath, (event) => changes.note(event));
  const session = new SyncSession(vm, workspace, context);
  await watch.cover(await session.files());
  // What changed before the watches were there.
  changes.note({ isNewName: false });
  context.notice(`watching ${workspace.sourcePath}; Ctrl-C ends it`);
  for (;;) {
    const taken = await changes.take({ signal: context.signal, idleMs: LOOK_MS });
    if (!taken) {
      await session.requireVm();
      continue;
    }
    if (!(await session.send())) {
      await sleep(RETRY_MS, context);
      changes.note({ isNewName: taken.hasNewNames });
      continue;
    }
    if (taken.hasNewNames && (await watch.cover(await session.files()))) changes.note({ isNewName: false });
  }
}

class SyncSession {
  readonly #vm: Vm;
  readonly #workspace: VmWorkspace;
  readonly #context: CommandContext;
  #failureCount = 0;
  #said = '';

  constructor(vm: Vm, workspace: VmWorkspace, context: CommandContext) {
    this.#vm = vm;
    this.#workspace = workspace;
    this.#context = context;
  }

  /** The files that are copied, as paths below the top of the working tree. */
  async files(): Promise<string[]> {
    const { signal } = this.#context;
    const client = await this.#context.client();
    const { guestPath: _, ...choice } = copyRequestOf(this.#workspace);
    return (await client.inspectWorkspace({ ...choice, withFiles: true }, { signal })).files ?? [];
  }

  /** Sends what has changed, and says so. Returns false when it is to be tried again. */
  async send(): Promise<boolean> {
    const { signal } = this.#context;
    const beganAt = performance.now();
    try {
      const client = await this.#context.client();
      const request = copyRequestOf(this.#workspace);
      const { bytes } = await resultOf(client.prepareWorkspace(this.#vm.id, request, { signal }));
      this.#failureCount = 0;
      this.#said = '';
      const took = formatTime(performance.now() - beganAt);
      if (bytes > 0) await this.#context.print(`sent ${formatSize(bytes)} in ${took}`);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      return await this.#failed(realErrorOf(error));
    }
  }

  /** @throws {AppError} VM_NOT_FOUND; VM_NOT_RUNNING unless the VM is running or suspended */
  async requireVm(): Promise<'running' | 'suspended'> {
    const client = await this.#context.client();
    const { state, name } = await client.showVm(this.#vm.id, { signal: this.#context.signal });
    if (state === 'suspended' || state === 'suspending' || state === 'resuming') return 'suspended';
    if (state === 'running') return 'running';
    throw new AppError('VM_NOT_RUNNING', `Cannot copy any more: vm "${name}" is ${state}`, {
      hint: `banger vm start ${name}, then watch again`,
    });
  }

  /** Says what failed, once. Returns whether to wait for the next change; false: to try again. */
  async #failed(error: unknown): Promise<boolean> {
    const { name } = this.#vm;
    if (isAppError(error, 'WORKSPACE_GUEST_CHANGED')) {
      this.#failureCount = 0;
      this.#say(
        `${error.message}; nothing is sent until you take these over (banger vm workspace pull ${name}) or overwrite them (banger vm workspace prepare ${name} PATH --discard-guest)`,
      );
      return true;
    }
    if (isAppError(error, 'VM_NOT_FOUND')) throw error;
    if (isAppError(error, 'VM_NOT_RUNNING') && (await this.requireVm()) === 'suspended') {
      this.#say(`vm "${name}" is suspended; copying resumes when it runs again`);
      return false;
    }
    this.#failureCount += 1;
    if (this.#failureCount >= MAX_FAILURES || !isAppError(error)) throw error;
    this.#say(`${messageOf(error)}; trying again`);
    return false;
  }

  #say(text: string): void {
    if (text !== this.#said) this.#context.warn(printable(text));
    this.#said = text;
  }
}

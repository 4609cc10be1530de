import { AppError, isAppError } from '../../../base/errors.ts';
import type { ExecExit } from '../../../protocol/guest.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { type GuestRun, runInGuest } from '../../session/run-session.ts';

/** What of a VM says which program its image runs. */
type OwnProgramVm = Pick<Vm, 'id' | 'name' | 'image' | 'imageConfig'>;

/**
 * Returns the words of the image's own program: its entrypoint, and after it `args` or what the image says.
 *
 * @throws {AppError} IMAGE_NO_PROGRAM when the image names none.
 */
export function ownProgram(
  { image, imageConfig = {} }: OwnProgramVm,
  args: readonly string[] | undefined,
): [string, ...string[]] {
  const { entrypoint = [], cmd = [] } = imageConfig;
  const [program, ...rest] = [...entrypoint, ...(args ?? cmd)];
  if (program !== undefined) return [program, ...rest];
  throw new AppError('IMAGE_NO_PROGRAM', `Cannot run the program of image "${image}": it names none`, {
    hint: 'give a command: banger vm run --image IMAGE -- CMD',
    details: { image },
  });
}

/**
 * Runs something in the guest, as {@link runInGuest}. When it is a shell and the image has none, it runs the
 * image's own program instead.
 *
 * @throws {AppError} GUEST_NO_SHELL when the image names no program either.
 */
export async function runShellOrOwn(
  client: BangerClient,
  { vm, run }: { vm: OwnProgramVm; run: GuestRun },
  context: CommandContext,
): Promise<ExecExit> {
  try {
    return await runInGuest(client, run, context);
  } catch (error) {
    if (!run.isShell || !isAppError(error, 'COMMAND_NOT_FOUND')) throw error;
    const argv = programWithoutShell(vm, error);
    context.notice(`the image has no shell; running its own program: ${argv.join(' ')}`);
    return await runInGuest(client, { ...run, start: { ...run.start, argv }, isShell: false }, context);
  }
}

function programWithoutShell(vm: OwnProgramVm, cause: AppError): [string, ...string[]] {
  try {
    return ownProgram(vm, undefined);
  } catch (error) {
    if (!isAppError(error, 'IMAGE_NO_PROGRAM')) throw error;
    throw new AppError(
      'GUEST_NO_SHELL',
      `Cannot open a shell in vm "${vm.name}": its image has no "sh", and names no program to run instead`,
      { hint: `run a program that it has: banger vm exec ${vm.name} -- CMD`, cause },
    );
  }
}

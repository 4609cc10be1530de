import { isAppError } from '../../../base/errors.ts';
import type { StepPlace } from './run-step.ts';

/** Renames first: deleting takes time, and the copy must not wait for it. */
const SCRIPT = `
[ -e "$1" ] || [ -L "$1" ] || exit 0
mv "$1" "$1.of-image-$$" || exit
rm -rf "$1.of-image-$$" </dev/null >/dev/null 2>&1 &
`;

/**
 * Removes what the image has at the place of the working tree, which a mount would hide: a Dockerfile often
 * copies the same files there. An image without a shell keeps it.
 */
export async function clearFolder(
  { client, vm, context }: Omit<StepPlace, 'start'>,
  folder: string,
): Promise<void> {
  try {
    const argv: [string, ...string[]] = ['sh', '-c', SCRIPT, 'clear', folder];
    using session = await client.exec(vm.id, { argv, cwd: '/' }, { signal: context.signal });
    await session.collect();
  } catch (error) {
    if (!isAppError(error, 'COMMAND_NOT_FOUND')) throw error;
  }
}

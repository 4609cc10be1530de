import type { Image } from '../../protocol/api/image.ts';
import { type Platform, parsePlatform } from '../../protocol/image/platform.ts';
import type { Work } from '../../sdk/work.ts';
import type { CommandContext } from '../context/context.ts';
import type { OptionDefinitions, ValueOption } from '../program/command.ts';
import { KERNEL_OPTION, kernelRefOf } from '../vm/kernel-ref.ts';
import { PLATFORM_OPTION } from '../vm/platform-option.ts';

/** Options of every command that makes an image of something. */
export const NEW_IMAGE_OPTIONS = {
  ...PLATFORM_OPTION,
  ...KERNEL_OPTION,
  force: { type: 'flag', summary: 'make it even if it exists, or another image has its name' },
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: { type: 'flag', summary: 'print the image as JSON' },
} as const satisfies OptionDefinitions;

/** The option for the name of a new image. */
export function nameOption(defaultText: string): ValueOption {
  return {
    type: 'value',
    value: 'name',
    summary: "the image's name on this host",
    defaultText: () => defaultText,
  };
}

/** How the work of a command is shown. */
interface Following {
  label: string;
  isJson: boolean;
  context: CommandContext;
}

/** Shows the progress of the work that makes an image, and then prints its name, or all of it as JSON. */
export async function followImage(work: Work<Image>, following: Following): Promise<number> {
  return await followWork(work, { ...following, text: ({ name }) => name });
}

/** Shows the progress of work on an image, and then prints its result as `text` says, or as JSON. */
export async function followWork<T>(
  work: Work<T>,
  { label, isJson, context, text }: Following & { text: (result: T) => string },
): Promise<number> {
  const begunAt = performance.now();
  const result = await context.follow(work, label);
  const { formatElapsed } = await import('../render/format.ts');
  const elapsed = formatElapsed(performance.now() - begunAt);
  context.progress.done(`[${label}] ready in ${context.errorStyle.dim(elapsed)}`);
  if (isJson) await context.printJson(result);
  else await context.print(text(result));
  return 0;
}

/**
 * Returns the choices of {@link NEW_IMAGE_OPTIONS} for a request.
 *
 * @throws {AppError} USAGE_OPTION_VALUE.
 */
export function imageChoice({
  platform,
  kernelRef,
  force,
}: {
  platform?: string | undefined;
  kernelRef?: string | undefined;
  force: boolean;
}): { platform?: Platform; kernel?: string; force?: boolean } {
  return {
    ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    ...(kernelRef === undefined ? {} : { kernel: kernelRefOf(kernelRef) }),
    ...(force ? { force: true } : {}),
  };
}

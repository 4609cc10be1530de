import type { OptionDefinitions } from '../program/command.ts';
import { badOption } from './guest-env.ts';

/** Option of every command that chooses a kernel. */
export const KERNEL_OPTION = {
  kernelRef: {
    type: 'value',
    value: 'kernel',
    kind: 'kernel',
    summary: 'the kernel to boot: a name from banger kernel list',
    defaultText: () => "the image's own, or this host's newest",
  },
} as const satisfies OptionDefinitions;

/**
 * Returns the name of a kernel.
 *
 * @throws {AppError} USAGE_OPTION_VALUE when it is empty.
 */
export function kernelRefOf(given: string): string {
  if (given !== '') return given;
  throw badOption('--kernel-ref', { value: given, why: 'it is empty', hint: 'banger kernel list' });
}

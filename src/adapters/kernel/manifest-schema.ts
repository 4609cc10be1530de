import * as z from 'zod';
import { AppError } from '../../base/errors.ts';
import type { KernelOrigin } from '../../core/ports/images/kernels.ts';

/** A valid folder name in the store: no path, no hidden folder. */
export const KERNEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const bytes = z.number().int().nonnegative();

const origin: z.ZodType<KernelOrigin> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('package') }),
  z.object({ kind: z.literal('file'), path: z.string().startsWith('/') }),
]);

const kernelManifest = z.object({
  format: z.literal(1),
  name: z.string().regex(KERNEL_NAME),
  release: z.string().regex(KERNEL_NAME),
  arch: z.enum(['amd64', 'arm64']),
  createdAt: z.iso.datetime(),
  /** absent for a package */
  origin: origin.exactOptional(),
  /** sizes of the files that never change */
  files: z.record(z.string().regex(KERNEL_NAME), bytes),
});

/** `manifest.json` of a kernel; its presence makes a folder a kernel. */
export type KernelManifest = z.infer<typeof kernelManifest>;

/**
 * Parses the text of a kernel's `manifest.json`.
 *
 * @throws {AppError} KERNEL_DAMAGED for any text that is not a valid manifest.
 */
export function parseKernelManifest(text: string, name: string): KernelManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw kernelDamaged(name, 'its manifest is not JSON', error);
  }
  const parsed = kernelManifest.safeParse(value);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'manifest');
    throw kernelDamaged(name, `its manifest is invalid (${[...new Set(fields)].join(', ')})`);
  }
  if (parsed.data.name !== name) throw kernelDamaged(name, `its manifest belongs to "${parsed.data.name}"`);
  return parsed.data;
}

/** The error for a kernel whose files have changed since it was made. */
export function kernelDamaged(name: string, problem: string, cause?: unknown): AppError {
  return new AppError('KERNEL_DAMAGED', `Cannot use kernel "${name}": ${problem}`, {
    hint: 'make it again: banger kernel pull, banger kernel import --force, or banger image build NAME --force for that of an image',
    details: { kernel: name },
    cause,
  });
}

/** The error for a new kernel whose name another one has. */
export function kernelExists(name: string): AppError {
  return new AppError('KERNEL_EXISTS', `Cannot import kernel "${name}": another kernel has this name`, {
    hint: `give another name, or delete it first: banger kernel rm ${name}`,
    details: { kernel: name },
  });
}

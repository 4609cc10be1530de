import { z } from 'zod';
import { AppError } from '../../base/errors.ts';

/** A name that can be a folder of the store: no path, no hidden folder. */
export const KERNEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const bytes = z.number().int().nonnegative();

const kernelManifest = z.object({
  format: z.literal(1),
  name: z.string().regex(KERNEL_NAME),
  release: z.string().regex(KERNEL_NAME),
  arch: z.enum(['amd64', 'arm64']),
  createdAt: z.iso.datetime(),
  /** sizes of the files that never change */
  files: z.record(z.string().regex(KERNEL_NAME), bytes),
});

/** `manifest.json` of a kernel; the file that makes a folder a kernel. */
export type KernelManifest = z.infer<typeof kernelManifest>;

/**
 * Parses the text of a kernel's `manifest.json`.
 *
 * @throws {AppError} KERNEL_DAMAGED whatever the text is.
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
    throw kernelDamaged(name, `its manifest is not understood (${[...new Set(fields)].join(', ')})`);
  }
  if (parsed.data.name !== name) throw kernelDamaged(name, `its manifest is of "${parsed.data.name}"`);
  return parsed.data;
}

/** The error for a kernel whose files are not as they were made. */
export function kernelDamaged(name: string, problem: string, cause?: unknown): AppError {
  return new AppError('KERNEL_DAMAGED', `Cannot use kernel "${name}": ${problem}`, {
    hint: 'build the image that it belongs to again: banger image build NAME --force',
    details: { kernel: name },
    cause,
  });
}

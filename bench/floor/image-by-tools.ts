import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';
import { type Peaked, peakOf } from '../peak-memory.ts';

const TOOLS: readonly (readonly [string, string])[] = [
  ['skopeo', '--version'],
  ['umoci', '--version'],
  ['mke2fs', '-V'],
];

/** The first program of the tools' way that is not installed. */
export async function missingImageTool(options: Abortable): Promise<string | undefined> {
  for (const [tool, version] of TOOLS) {
    try {
      await exec([tool, version], options);
    } catch (error) {
      if (isAppError(error, 'EXEC_NOT_FOUND')) return tool;
      throw error;
    }
  }
  return undefined;
}

/**
 * Makes a root file system of an OCI archive with the tools that distributions have: a layout, its layers
 * unpacked to files, and a file system of these. `dir` must not exist, and is removed.
 */
export async function imageByTools(
  archive: string,
  { dir, sizeBytes, signal }: Abortable & { dir: string; sizeBytes: number },
): Promise<Peaked> {
  const [layout, bundle] = [join(dir, 'layout'), join(dir, 'bundle')];
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  const steps: [string, ...string[]][] = [
    ['mkdir', '-p', dir],
    ['skopeo', '--insecure-policy', 'copy', '-q', `oci-archive:${archive}`, `oci:${layout}:one`],
    ['umoci', 'unpack', ...rootless, '--image', `${layout}:one`, bundle],
    [
      'mke2fs',
      '-q',
      '-t',
      'ext4',
      '-d',
      join(bundle, 'rootfs'),
      join(dir, 'rootfs.ext4'),
      `${Math.ceil(sizeBytes / 1024)}k`,
    ],
  ];
  const sum: Peaked = { ms: 0, peakMib: 0 };
  for (const argv of steps) {
    const { ms, peakMib } = await peakOf(argv, { signal });
    sum.ms += ms;
    sum.peakMib = Math.max(sum.peakMib, peakMib);
  }
  await rm(dir, { recursive: true });
  return sum;
}

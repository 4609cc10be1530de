import { dirname } from 'node:path';
import { neverAborts } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { exec } from '../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../base/process/programs.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { PAGE_BYTES } from './drive-size.ts';
import { qcow2Problem } from './qcow2-header.ts';
import { requireTool } from './require-tool.ts';

/**
 * Enlarges a writable qcow2 drive that no VMM has open, and returns its new description. Idempotent. Not
 * cancellable: it takes milliseconds, and stopping halfway would leave a drive of unknown size.
 *
 * @throws {AppError} as `VmDriver.growDrive`.
 */
export async function growQcow2(
  drive: DriveSpec,
  { sizeBytes, env }: { sizeBytes: number; env: Variables },
): Promise<DriveSpec> {
  const grown = { ...drive, sizeBytes };
  requireGrowth(drive, sizeBytes);
  // The drive already has the new size when an earlier attempt was cut off after the resize.
  if ((await qcow2Problem(drive.pathOnHost, sizeBytes)) === undefined) return grown;
  const problem = await qcow2Problem(drive.pathOnHost, drive.sizeBytes);
  if (problem !== undefined) throw cannotGrow(drive, problem);
  const qemuImg = await requireTool('qemu-img', env);
  const argv = [qemuImg, 'resize', '-q', '-f', 'qcow2', drive.pathOnHost, String(sizeBytes)] as const;
  await reportNoSpace(() => exec(argv, { signal: neverAborts(), env: toolEnv(env) }), {
    what: `the larger drive "${drive.serial}"`,
    dir: dirname(drive.pathOnHost),
  });
  return grown;
}

function requireGrowth(drive: DriveSpec, sizeBytes: number): void {
  if (drive.isReadOnly) throw cannotGrow(drive, 'it is read-only');
  if (drive.format !== 'qcow2') throw cannotGrow(drive, `it is ${drive.format}, not qcow2`);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes % PAGE_BYTES !== 0) {
    throw cannotGrow(drive, `${sizeBytes} is not a multiple of ${PAGE_BYTES}`);
  }
  if (sizeBytes < drive.sizeBytes) {
    throw cannotGrow(drive, `it has ${drive.sizeBytes} bytes, more than ${sizeBytes}`);
  }
}

function cannotGrow({ serial, pathOnHost }: DriveSpec, problem: string): AppError {
  return new AppError(
    'VMM_DRIVE_INVALID',
    `Cannot grow the drive "${serial}" at "${pathOnHost}": ${problem}`,
    { details: { serial, path: pathOnHost } },
  );
}

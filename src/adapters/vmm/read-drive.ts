import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../base/process/programs.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { namesNoOtherFile, qcow2Problem } from './qcow2-header.ts';
import { requireTool } from './require-tool.ts';

/**
 * Writes the content of a qcow2 drive that no VMM has open to the new sparse file `target`. A file that names
 * another one as part of it is refused, so that a VMM that a guest has taken over cannot have files of the
 * user read.
 *
 * @throws {AppError} as `VmDriver.readDrive`.
 */
export async function readQcow2(
  drive: DriveSpec,
  { target, env, signal }: Abortable & { target: string; env: Variables },
): Promise<void> {
  const { pathOnHost, sizeBytes } = drive;
  const problem =
    drive.format === 'qcow2' ? await qcow2Problem(pathOnHost, sizeBytes) : `it is ${drive.format}, not qcow2`;
  if (problem !== undefined) throw cannotRead(drive, problem);
  if (drive.base || !(await namesNoOtherFile(pathOnHost))) {
    throw cannotRead(drive, 'part of it is another file');
  }
  const qemuImg = await requireTool('qemu-img', env);
  await (await open(target, 'wx', 0o600)).close();
  const argv = [qemuImg, 'convert', '-q', '-f', 'qcow2', '-O', 'raw', pathOnHost, target] as const;
  const run = { signal, env: toolEnv(env), deadlineMs: LONG_WORK_DEADLINE_MS };
  try {
    await reportNoSpace(() => exec(argv, run), { what: 'a copy of a drive', dir: dirname(target) });
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

function cannotRead({ serial, pathOnHost }: DriveSpec, problem: string): AppError {
  return new AppError(
    'VMM_DRIVE_INVALID',
    `Cannot read the drive "${serial}" at "${pathOnHost}": ${problem}`,
    { details: { serial, path: pathOnHost } },
  );
}

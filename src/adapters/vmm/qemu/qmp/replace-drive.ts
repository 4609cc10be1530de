import type { Abortable } from '../../../../base/abort.ts';
import { invariant } from '../../../../base/errors.ts';
import type { DriveSpec } from '../../../../core/ports/vmm/spec.ts';
import { formatNode, isReplaceable, topNode } from '../launch/block-nodes.ts';
import type { QmpClient } from './qmp-client.ts';

/**
 * As `RunningVm.replaceDrive`. QEMU completes what the guest has begun before it takes the other file. A
 * qcow2 node cannot be reopened with another file, so the node above it is.
 */
export async function replaceDrive(qmp: QmpClient, drive: DriveSpec, options: Abortable): Promise<void> {
  invariant(isReplaceable(drive), `a VMM cannot replace the drive "${drive.serial}"`);
  const format = `${drive.serial}-replacement`;
  await qmp.execute('blockdev-add', formatNode(drive, { format, file: `${format}-file` }), options);
  // The earlier nodes were made with this one, and end with its use of them.
  await qmp.execute('blockdev-reopen', { options: [topNode(drive, format)] }, options);
}

import type { DriveSpec } from '../../../../core/ports/vmm/spec.ts';

/** A node of QEMU's block layer, as `blockdev-add` takes it; nodes below it are nested. */
export type BlockNode = Record<string, unknown>;

/** Options for {@link FILTER}: a group without limits. */
export const FILTER_ARGS = ['-object', 'throttle-group,id=unlimited'] as const;

/**
 * What the device of a replaceable drive uses. QEMU can put another node below a node that it has, but not
 * another file below a qcow2 node. This filter changes nothing; and QEMU looks through it when it copies a
 * drive without its base, which it does not through one of the driver `raw`.
 */
const FILTER = { driver: 'throttle', 'throttle-group': 'unlimited' };

/**
 * The nodes of a drive. The guest's device uses the one that is named after the drive:
 *
 *     SERIAL                its format
 *       SERIAL-file
 *
 *     work                  the filter
 *       work-format         another format node may take its place
 *         work-file
 *         work-base         if the drive has one
 *
 * Nothing is below a drive without a base, whatever its header says: its VMM may have written that.
 */
export function blockNode(drive: DriveSpec): BlockNode {
  if (!isReplaceable(drive)) return formatNode(drive, { format: drive.serial, file: `${drive.serial}-file` });
  const { serial } = drive;
  return topNode(drive, formatNode(drive, { format: `${serial}-format`, file: `${serial}-file` }));
}

/** Whether another file can take the place of the drive's while its guest runs. */
export function isReplaceable({ serial, isReadOnly }: DriveSpec): boolean {
  return serial === 'work' && !isReadOnly;
}

/** The node of a replaceable drive that its device uses, on top of `below` (nodes, or the name of one). */
export function topNode({ serial }: DriveSpec, below: BlockNode | string): BlockNode {
  return { 'node-name': serial, ...FILTER, file: below, ...THIN };
}

/** The names of the nodes of a drive's files. */
export interface NodeNames {
  format: string;
  file: string;
}

/** The nodes of a drive's files. */
export function formatNode(
  { serial, pathOnHost, format, isReadOnly, base }: DriveSpec,
  names: NodeNames,
): BlockNode {
  const canBack = format === 'qcow2';
  return {
    'node-name': names.format,
    driver: format,
    file: {
      'node-name': names.file,
      driver: 'file',
      filename: pathOnHost,
      // Several VMs may read one file: QEMU shares its lock as long as all of them only read.
      'read-only': isReadOnly,
      ...(isReadOnly ? {} : { discard: 'unmap' }),
    },
    ...(canBack ? { backing: base ? baseNode(serial, base.pathOnHost) : null } : {}),
    'read-only': isReadOnly,
    ...(isReadOnly ? {} : THIN),
  };
}

/** What the guest discards or fills with zeros takes no space on the host. */
const THIN = { discard: 'unmap', 'detect-zeroes': 'unmap' };

/** Name of the node of the base of a drive. */
export function baseNodeName(serial: DriveSpec['serial']): string {
  return `${serial}-base`;
}

function baseNode(serial: DriveSpec['serial'], path: string): BlockNode {
  const name = baseNodeName(serial);
  return {
    'node-name': name,
    driver: 'raw',
    'read-only': true,
    file: { 'node-name': `${name}-file`, driver: 'file', filename: path, 'read-only': true },
  };
}

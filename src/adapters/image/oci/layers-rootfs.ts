import type { LayersContent } from '../../../core/ports/images/image-source.ts';
import type { RootfsBuilder } from '../../../core/ports/images/rootfs-builder.ts';
import type { Task } from '../../../protocol/events.ts';
import { checked, ociRootfs } from './oci-output.ts';
import { type OciProgram, runOci } from './run-oci.ts';

/** Free space in a root file system made of layers; a VM's requested overlay size comes on top. */
const FREE_BYTES = 512 * 2 ** 20;

/** Entries of an image that a notice names. */
const MAX_NAMED = 3;

/** What {@link LayersRootfsBuilder} needs. */
export interface LayersRootfsOptions extends OciProgram {
  /** folder of the blob store */
  blobsDir: string;
}

/** Makes a root file system of layers without unpacking them, with `banger-host oci rootfs`. */
export class LayersRootfsBuilder implements RootfsBuilder<LayersContent> {
  readonly #options: LayersRootfsOptions;

  constructor(options: LayersRootfsOptions) {
    this.#options = options;
  }

  /** Says in a notice what is left out: device nodes, which the guest's kernel makes. */
  async build(
    { manifestDigest }: LayersContent,
    { rootfsPath, report, signal }: Task & { rootfsPath: string },
  ): Promise<void> {
    const { blobsDir, ...program } = this.#options;
    const words = [
      ...['rootfs', '--store', blobsDir, '--manifest', manifestDigest],
      ...['--out', rootfsPath, '--free', String(FREE_BYTES)],
    ];
    const result = await runOci(words, program, { stage: 'pack', report, signal });
    const { leftOut = [] } = checked(ociRootfs, result['rootfs']);
    if (leftOut.length === 0) return;
    const more = leftOut.length > MAX_NAMED ? `, and ${leftOut.length - MAX_NAMED} more` : '';
    const named = leftOut.slice(0, MAX_NAMED).join(', ');
    report({ event: 'notice', message: `left out of the image: ${named}${more}` });
  }
}

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { list, text } from '../../../base/json-schema/build.ts';
import { plural } from '../../../base/text/words.ts';
import type { LayersContent, VmRoot, VmRootSource } from '../../../core/ports/images/image-source.ts';
import type { Task } from '../../../protocol/events.ts';
import { platformOf } from '../../../protocol/image/platform.ts';
import { contentOf } from './layers-content.ts';
import { checked } from './oci-output.ts';
import { writePrivateFile } from './private-file.ts';
import { type OciProgram, runOci } from './run-oci.ts';

/** What {@link OciVmRootSource} needs. */
export interface VmRootOptions extends OciProgram {
  /** folder of the blob store */
  blobsDir: string;
}

/** Paths that a notice names. */
const MAX_NAMED = 12;

/**
 * Makes layers of the roots of VMs with `banger-host oci pack`, which reads image and overlay drive as they
 * are: nothing is mounted, and no program but ours reads what a guest has written.
 */
export class OciVmRootSource implements VmRootSource {
  readonly #options: VmRootOptions;

  constructor(options: VmRootOptions) {
    this.#options = options;
  }

  async fetch(root: VmRoot, { workDir, ...task }: Task & { workDir: string }): Promise<LayersContent> {
    const { blobsDir, ...program } = this.#options;
    const { base, hostFiles } = root;
    const overlay = join(workDir, 'overlay.raw');
    task.report({ event: 'progress', stage: 'read' });
    await root.readOverlay(overlay, task);
    const config = join(workDir, 'config.json');
    await writePrivateFile(config, JSON.stringify(base.config));
    const { manifestDigest } = base.provenance;
    const words = [
      ...['pack', '--store', blobsDir, '--rootfs', base.rootfsPath, '--overlay', overlay],
      ...(manifestDigest === undefined ? ['--config', config] : ['--parent', manifestDigest]),
      ...['--platform', platformOf(base.arch), '--created-by', 'banger image commit'],
      ...hostFiles.flatMap((path) => ['--leave-out', path]),
    ];
    const result = await runOci(words, program, { ...task, stage: 'pack' });
    await rm(overlay, { force: true });
    const content = contentOf(result);
    task.report({ event: 'notice', message: layersNotice(base.name, manifestDigest !== undefined) });
    const leftOut = checked(list(text()), result['leftOut']);
    if (leftOut.length > 0) task.report({ event: 'notice', message: leftOutNotice(leftOut) });
    return content;
  }
}

function layersNotice(base: string, isOnBase: boolean): string {
  return isOnBase
    ? `one layer on top of those of image "${base}"`
    : `one layer with everything: image "${base}" has no layers of its own`;
}

function leftOutNotice(paths: readonly string[]): string {
  const named = paths.slice(0, MAX_NAMED).join(', ');
  const more = paths.length - MAX_NAMED;
  const rest = more > 0 ? `, and ${plural(more, 'more path')}` : '';
  return `left out, because it belongs to this VM alone: ${named}${rest}`;
}

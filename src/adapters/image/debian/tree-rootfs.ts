import { packExt4 } from '../../../base/files/ext4-image.ts';
import { toolEnv, type Variables } from '../../../base/process/programs.ts';
import type { TreeContent } from '../../../core/ports/images/image-source.ts';
import type { RootfsBuilder } from '../../../core/ports/images/rootfs-builder.ts';
import type { Task } from '../../../protocol/events.ts';

/** Free space in an image; a VM's requested overlay size comes on top. */
const FREE_BYTES = 64 * 2 ** 20;
/** Enough for bursts. Every journal block that is used is copied into the VM's overlay. */
const JOURNAL_MIB = 32;

/** Packs a folder into a root file system, with mkfs.ext4. */
export class TreeRootfsBuilder implements RootfsBuilder<TreeContent> {
  readonly #uid: number;
  readonly #env: Variables;

  constructor({ uid, env }: { uid: number; env: Variables }) {
    this.#uid = uid;
    this.#env = env;
  }

  async build(
    { treeDir }: TreeContent,
    { rootfsPath, signal }: Task & { rootfsPath: string },
  ): Promise<void> {
    await packExt4(
      {
        treeDir,
        imagePath: rootfsPath,
        label: 'root',
        freeBytes: FREE_BYTES,
        journalMib: JOURNAL_MIB,
        uid: this.#uid,
        env: toolEnv(this.#env),
      },
      { signal },
    );
  }
}

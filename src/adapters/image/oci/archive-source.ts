import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { ImageSources, LayersContent } from '../../../core/ports/images/image-source.ts';
import type { ImportFormat } from '../../../protocol/api/image.ts';
import type { Task } from '../../../protocol/events.ts';
import { platformOf } from '../../../protocol/image/platform.ts';
import { contentOf } from './layers-content.ts';
import { type OciProgram, runOci } from './run-oci.ts';

/** What {@link ArchiveSource} needs. */
export interface ArchiveSourceOptions extends OciProgram {
  /** folder of the blob store */
  blobsDir: string;
}

type ArchivesOnly = ImageSources['archive'];

/** Brings images from files and folders of this host into the blob store. */
export class ArchiveSource implements ArchivesOnly {
  readonly #options: ArchiveSourceOptions;

  constructor(options: ArchiveSourceOptions) {
    this.#options = options;
  }

  /** @throws {AppError} IMAGE_ARCHIVE_BAD, IMAGE_TOO_LARGE, IMAGE_PLATFORM_MISSING, HOST_NO_SPACE. */
  async fetch(
    { format, path }: { format: ImportFormat; path: string },
    { arch, ...task }: Task & { arch: GuestArch },
  ): Promise<LayersContent> {
    const { blobsDir, ...program } = this.#options;
    const words = [
      ...['import', '--store', blobsDir, '--from', `${format}:${path}`],
      ...['--platform', platformOf(arch)],
    ];
    return contentOf(await runOci(words, program, { ...task, stage: 'import' }));
  }
}

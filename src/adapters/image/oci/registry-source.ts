import type { Variables } from '../../../base/process/programs.ts';
import { systemPath } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { ImageSources, LayersContent } from '../../../core/ports/images/image-source.ts';
import type { Task } from '../../../protocol/events.ts';
import { platformOf } from '../../../protocol/image/platform.ts';
import { contentOf } from './layers-content.ts';
import { type RegistrySettings, registryWords } from './registry-settings.ts';
import { runOci } from './run-oci.ts';

/** What {@link RegistrySource} needs. */
export interface RegistrySourceOptions {
  /** the program `banger-host` */
  hostTools: string;
  /** folder of the blob store */
  blobsDir: string;
  settings: RegistrySettings;
  /** the user's environment: proxies, and where credentials and the helpers that keep them are */
  env: Variables;
}

/** Pulls images from registries into the blob store, with the user's credentials. */
export class RegistrySource implements RegistryOnly {
  readonly #options: RegistrySourceOptions;

  constructor(options: RegistrySourceOptions) {
    this.#options = options;
  }

  /**
   * Downloads what the blob store lacks.
   *
   * @throws {AppError} REGISTRY_*, IMAGE_PLATFORM_MISSING, IMAGE_TOO_LARGE, HOST_NO_SPACE.
   */
  async fetch(
    { reference }: { reference: string },
    { arch, ...task }: Task & { arch: GuestArch },
  ): Promise<LayersContent> {
    const { hostTools, blobsDir, settings, env } = this.#options;
    const words = [
      ...['pull', '--store', blobsDir, '--ref', reference, '--platform', platformOf(arch)],
      ...registryWords(settings),
    ];
    const program = { hostTools, env: { ...env, PATH: systemPath(env) } };
    return contentOf(await runOci(words, program, { ...task, stage: 'pull' }));
  }
}

type RegistryOnly = ImageSources['registry'];

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemPath, type Variables } from '../../../base/process/programs.ts';
import type { ImageOutlet, OutletOptions } from '../../../core/ports/images/image-outlet.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import type { ExportedImage, PushedImage } from '../../../protocol/api/image-outlet.ts';
import { platformOf } from '../../../protocol/image/platform.ts';
import { contentOf } from './layers-content.ts';
import { checked, ociExported, ociPushed } from './oci-output.ts';
import { writePrivateFile } from './private-file.ts';
import { type RegistrySettings, registryWords } from './registry-settings.ts';
import { type OciProgram, runOci } from './run-oci.ts';

/** What {@link OciOutlet} needs. */
export interface OciOutletOptions extends OciProgram {
  /** folder of the blob store */
  blobsDir: string;
  settings: RegistrySettings;
  /** the user's environment: proxies, and where credentials and the helpers that keep them are */
  userEnv: Variables;
}

/** Layers that can be brought out. */
interface Layers {
  /** the folder of blobs that has them */
  storeDir: string;
  manifestDigest: string;
}

/** Brings images out with `banger-host oci`. */
export class OciOutlet implements ImageOutlet {
  readonly #options: OciOutletOptions;

  constructor(options: OciOutletOptions) {
    this.#options = options;
  }

  async export(
    image: StoredImage,
    { path, reference, ...options }: OutletOptions & { path: string; reference?: string },
  ): Promise<ExportedImage> {
    const { storeDir, manifestDigest } = await this.#layersOf(image, options);
    const words = [
      ...['export', '--store', storeDir, '--manifest', manifestDigest, '--out', path],
      ...(reference === undefined ? [] : ['--name', reference]),
    ];
    const result = await runOci(words, this.#options, { ...options, stage: 'write' });
    const { manifestDigest: digest, ...exported } = checked(ociExported, result['exported']);
    return { path, digest, ...exported };
  }

  async push(
    image: StoredImage,
    { reference, mountFrom, ...options }: OutletOptions & { reference: string; mountFrom: readonly string[] },
  ): Promise<PushedImage> {
    const { settings, hostTools, userEnv } = this.#options;
    const { storeDir, manifestDigest } = await this.#layersOf(image, options);
    const words = [
      ...['push', '--store', storeDir, '--manifest', manifestDigest, '--ref', reference],
      ...mountFrom.flatMap((from) => ['--mount-from', from]),
      ...registryWords({ ...settings, mirrors: {} }),
    ];
    const program = { hostTools, env: { ...userEnv, PATH: systemPath(userEnv) } };
    const result = await runOci(words, program, { ...options, stage: 'push' });
    const { manifestDigest: digest, ...pushed } = checked(ociPushed, result['pushed']);
    return { ...pushed, reference, digest };
  }

  /** The image's own layers, or one that is made of its root file system. */
  async #layersOf(image: StoredImage, { workDir, ...task }: OutletOptions): Promise<Layers> {
    const { manifestDigest } = image.provenance;
    if (manifestDigest !== undefined) return { storeDir: this.#options.blobsDir, manifestDigest };
    const storeDir = join(workDir, 'content');
    await mkdir(storeDir, { mode: 0o700 });
    const configPath = join(workDir, 'config.json');
    await writePrivateFile(configPath, JSON.stringify(image.config));
    const words = [
      ...['pack', '--store', storeDir, '--rootfs', image.rootfsPath, '--config', configPath],
      ...['--platform', platformOf(image.arch), '--created-by', 'banger'],
    ];
    const made = contentOf(await runOci(words, this.#options, { ...task, stage: 'pack' }));
    return { storeDir, manifestDigest: made.manifestDigest };
  }
}

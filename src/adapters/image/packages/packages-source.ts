import { invariant } from '../../../base/errors.ts';
import type { Variables } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { ImageSources, LayersContent } from '../../../core/ports/images/image-source.ts';
import type { ImportFormat } from '../../../protocol/api/image.ts';
import type { Task } from '../../../protocol/events.ts';
import { checkTools } from '../debian/preflight.ts';
import type { PackageSet } from './package-sets.ts';
import { unpackPackages } from './unpack-packages.ts';

/** Imports a folder as an image of one layer. */
type Importer = {
  fetch(
    origin: { format: ImportFormat; path: string },
    options: Task & { arch: GuestArch },
  ): Promise<LayersContent>;
};

/** What {@link PackagesSource} needs. */
export interface PackagesSourceOptions {
  sets: readonly PackageSet[];
  importer: Importer;
  env: Variables;
}

/** Makes images of Debian packages that are only unpacked; works where user namespaces are forbidden. */
export class PackagesSource implements PackagesOnly {
  readonly #options: PackagesSourceOptions;

  constructor(options: PackagesSourceOptions) {
    this.#options = options;
  }

  /** @throws {AppError} IMAGE_TOOL_MISSING; EXEC_FAILED of the tool that failed; HOST_NO_SPACE. */
  async fetch(
    { set: name }: { set: string },
    {
      workDir,
      name: imageName,
      arch,
      report,
      signal,
    }: Task & { workDir: string; name: string; arch: GuestArch },
  ): Promise<LayersContent> {
    const { sets, importer, env } = this.#options;
    const set = sets.find((one) => one.name === name);
    invariant(set, `there is a package set "${name}"`);
    await checkTools(['apt-get', 'dpkg-deb', 'mmdebstrap', 'tar'], { imageName, env });
    const tree = await unpackPackages(set, { dir: workDir, arch, env, report, signal });
    return await importer.fetch({ format: 'dir', path: tree }, { arch, report, signal });
  }
}

type PackagesOnly = ImageSources['packages'];

import { openStaging } from '../../../base/files/staging.ts';
import { toolEnv } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { AvailableKernel, KernelSource, UnpackedKernel } from '../../../core/ports/images/kernels.ts';
import type { Task } from '../../../protocol/events.ts';
import { ARCHS } from '../../../protocol/image/platform.ts';
import { explainFailure } from '../explain-failure.ts';
import { removeTree } from '../store/image-files.ts';
import { storeLayout } from '../store/layout.ts';
import { readAptHost } from './apt-host.ts';
import { type BuildOptions, buildDebian } from './build-debian.ts';
import { listKernels } from './kernel-archive.ts';
import { checkHost } from './preflight.ts';
import type { DebianRecipe } from './recipe.ts';

/** What a {@link DebianKernelSource} needs. */
export interface KernelSourceOptions
  extends Pick<BuildOptions, 'arch' | 'uid' | 'env' | 'hostTools' | 'log'> {
  imagesDir: string;
  /** the image whose kernel it is */
  recipe: DebianRecipe;
}

/**
 * Fetches the kernel of a recipe as the image's own build does: in a tree with the few packages that list its
 * modules, which is then removed. Their programs are this host's, whatever the kernel is for.
 */
export class DebianKernelSource implements KernelSource {
  readonly #options: KernelSourceOptions;

  constructor(options: KernelSourceOptions) {
    this.#options = options;
  }

  async withKernel(
    arch: GuestArch,
    use: (kernel: UnpackedKernel) => Promise<void>,
    { report, signal }: Task,
  ): Promise<void> {
    const { imagesDir, recipe, uid, env, ...host } = this.#options;
    const { staging } = storeLayout(imagesDir);
    await using folder = await openStaging(staging, {
      removeTree: (dir: string) => removeTree(dir, { uid, env }),
    });
    const { dir } = folder;
    const small = onlyKernel(recipe);
    try {
      await checkHost({ imageName: small.name, dir, uid, env: toolEnv(env), signal });
      const { kernel } = await buildDebian(small, {
        ...host,
        kernelArch: arch,
        uid,
        env,
        dir,
        report,
        signal,
      });
      await use(kernel);
    } catch (error) {
      signal.throwIfAborted();
      throw await explainFailure(error, { imageName: small.name, dir: imagesDir, isFromPackages: true });
    }
  }

  async available({ report, signal }: Task): Promise<AvailableKernel[]> {
    const { imagesDir, recipe, uid, env, arch } = this.#options;
    const { staging } = storeLayout(imagesDir);
    await using folder = await openStaging(staging, {
      removeTree: (dir: string) => removeTree(dir, { uid, env }),
    });
    const { dir } = folder;
    const archs = [arch, ...ARCHS.filter((other) => other !== arch)];
    try {
      report({ event: 'progress', stage: 'resolve', detail: 'lists of packages' });
      const host = await readAptHost({ env: toolEnv(env), signal });
      return await listKernels({ recipe, host, archs, uid, env: toolEnv(env), dir, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw await explainFailure(error, { imageName: recipe.name, dir: imagesDir, isFromPackages: true });
    }
  }
}

/** The recipe without all that is not needed to list a kernel's modules. */
function onlyKernel(recipe: DebianRecipe): DebianRecipe {
  return {
    ...recipe,
    name: `${recipe.name}-kernel`,
    packages: ['systemd', 'dbus', 'kmod'],
    npmPrograms: () => [],
    files: [],
    enabledUnits: [],
    offUnits: [],
    offGenerators: [],
    removed: ['var/lib/dbus/machine-id'],
  };
}

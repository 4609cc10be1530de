import { invariant } from '../../../base/errors.ts';
import { toolEnv } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { ImageSources, TreeContent } from '../../../core/ports/images/image-source.ts';
import type { Task } from '../../../protocol/events.ts';
import { type BuildOptions, buildDebian } from './build-debian.ts';
import { checkHost } from './preflight.ts';
import type { DebianRecipe } from './recipe.ts';

/** What {@link RecipeSource} needs. */
export interface RecipeSourceOptions
  extends Pick<BuildOptions, 'arch' | 'uid' | 'env' | 'hostTools' | 'log'> {
  recipes: readonly DebianRecipe[];
}

type RecipesOnly = ImageSources['recipe'];

/** Builds the root file system of a recipe, with its kernel, from Debian's packages. */
export class RecipeSource implements RecipesOnly {
  readonly #options: RecipeSourceOptions;

  constructor(options: RecipeSourceOptions) {
    this.#options = options;
  }

  /**
   * @throws {AppError} IMAGE_TOOL_MISSING, IMAGE_NEEDS_SUBIDS, IMAGE_NEEDS_NAMESPACES, HOST_NO_SPACE before
   * anything is made; EXEC_FAILED of the tool that failed, IMAGE_CHECKSUM_MISMATCH.
   */
  async fetch(
    { recipe: name }: { recipe: string },
    { workDir, arch, report, signal }: Task & { workDir: string; arch: GuestArch },
  ): Promise<TreeContent> {
    const { recipes, uid, env, ...host } = this.#options;
    const recipe = recipes.find((one) => one.name === name);
    invariant(recipe, `the store knows the recipe "${name}"`);
    invariant(arch === host.arch, 'the scripts of packages run on this host');
    await checkHost({ imageName: name, dir: workDir, uid, env: toolEnv(env), signal });
    const built = await buildDebian(recipe, { ...host, uid, env, dir: workDir, report, signal });
    return { kind: 'tree', ...built, distro: `${recipe.distro}-${recipe.suite}` };
  }
}

import type { DebianRecipe } from './recipe.ts';
import { debianBookworm } from './recipes/debian-bookworm.ts';

/** Images that can be built. A new one is a file in `recipes/` and a line here. */
export const RECIPES: readonly DebianRecipe[] = [debianBookworm];

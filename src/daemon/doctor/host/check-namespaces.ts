import { isAppError } from '../../../base/errors.ts';
import type { Check } from '../check.ts';

/**
 * This user may create the namespaces that image builds run in, with subordinate ids; tested by creating
 * them.
 */
export const checkNamespaces: Check = {
  name: 'namespaces',
  async run({ uid, namespaceProblem }, { signal }) {
    try {
      const problem = await namespaceProblem({ signal });
      if (!problem) return { status: 'pass', message: uid === 0 ? 'work' : 'work, with subordinate ids' };
      const { message, hint } = problem;
      return {
        status: 'warn',
        message: `${message}, so the built-in image cannot be built; images from registries and Dockerfiles can`,
        ...(hint && { fix: hint }),
      };
    } catch (error) {
      if (!isAppError(error, 'EXEC_NOT_FOUND')) throw error;
      return {
        status: 'warn',
        message: 'util-linux is not installed, so the built-in image cannot be built',
        fix: 'install the package "util-linux"',
      };
    }
  },
};

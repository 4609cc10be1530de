import { isAppError, messageOf } from '../../../base/errors.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { Check } from '../check.ts';

/** The default image and its kernel exist and are complete. */
export const checkDefaultImage: Check = {
  name: 'default image',
  async run({ world }, options) {
    try {
      const image = await world.images.get(world.defaultImage);
      const { kernelName } = image;
      const kernel = kernelName === undefined ? undefined : await world.kernels.get(kernelName, options);
      return {
        status: 'pass',
        message: `${image.name} (${formatSize(image.diskBytes)}), ${kernel ? `kernel ${kernel.release}` : 'no kernel of its own'}`,
      };
    } catch (error) {
      if (!isAppError(error)) throw error;
      const canBuild =
        isAppError(error, 'IMAGE_NOT_FOUND') && world.images.recipes().includes(world.defaultImage);
      if (canBuild) {
        return {
          status: 'warn',
          message: `"${world.defaultImage}" is not built yet; the first VM builds it`,
          fix: `banger image build ${world.defaultImage}`,
        };
      }
      return { status: 'fail', message: messageOf(error), ...(error.hint ? { fix: error.hint } : {}) };
    }
  },
};

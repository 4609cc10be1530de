import { installCommands } from '../../../core/rules/host-packages.ts';
import { ARCHS, platformOf } from '../../../protocol/image/platform.ts';
import type { Check } from '../check.ts';

/** Guests of other architectures can be emulated. Few users need them, so a missing emulator is no fault. */
export const checkEmulators: Check = {
  name: 'other platforms',
  async run({ world }, options) {
    const others = ARCHS.filter((arch) => arch !== world.images.arch);
    const found = await Promise.all(
      others.map(async (arch) => {
        const { isUsable, version, reason, packages } = await world.drivers[0].probe(undefined, {
          arch,
          ...options,
        });
        const platform = platformOf(arch);
        if (isUsable) return `guests of ${platform} are emulated by ${version ?? world.drivers[0].name}`;
        const install = packages ? `; to use --platform ${platform}: ${installCommands(packages)}` : '';
        return `no guests of ${platform}: ${reason ?? 'no VMM was found'}${install}`;
      }),
    );
    return { status: 'pass', message: found.join('; ') };
  },
};

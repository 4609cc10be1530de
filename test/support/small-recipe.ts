import type { DebianRecipe } from '../../src/adapters/image/recipe.ts';

/** A recipe for the fake build tools. */
export const SMALL_RECIPE: DebianRecipe = {
  name: 'small',
  distro: 'debian',
  suite: 'bookworm',
  components: ['main'],
  packages: ['systemd'],
  kernelPackage: (arch) => `linux-image-cloud-${arch}`,
  npmPrograms: () => [
    { package: 'tool@1.0.0', pathInTarball: 'package/bin/tool', installPath: '/usr/bin/tool' },
  ],
  files: [{ path: '/etc/hostname', content: 'small\n' }],
  enabledUnits: [],
  offUnits: [],
  offGenerators: [],
  excludedPaths: [],
  includedPaths: [],
  removed: ['etc/ssh/ssh_host_*', 'root/.ssh'],
};

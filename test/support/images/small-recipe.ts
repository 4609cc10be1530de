import type { DebianRecipe } from '../../../src/adapters/image/debian/recipe.ts';
import type { FakeBuildTools } from '../fakes/fake-build-tools.ts';

/** A recipe for these fake build tools. */
export function smallRecipe({ integrity }: Pick<FakeBuildTools, 'integrity'>): DebianRecipe {
  return {
    name: 'small',
    distro: 'debian',
    suite: 'bookworm',
    components: ['main'],
    packages: ['systemd'],
    kernelPackage: (arch) => `linux-image-cloud-${arch}`,
    npmPrograms: () => [
      { package: 'tool@1.0.0', integrity, pathInTarball: 'package/bin/tool', installPath: '/usr/bin/tool' },
    ],
    files: [{ path: '/etc/hostname', content: 'small\n' }],
    enabledUnits: [],
    offUnits: [],
    offGenerators: [],
    excludedPaths: [],
    includedPaths: [],
    removed: ['etc/ssh/ssh_host_*', 'root/.ssh'],
  };
}

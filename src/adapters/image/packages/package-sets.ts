import type { RecipeFile } from '../debian/recipe.ts';

/** Debian packages that are unpacked together, without running their scripts. */
export interface PackageSet {
  name: string;
  suite: string;
  components: readonly string[];
  packages: readonly string[];
  files: readonly RecipeFile[];
}

/** Where the guest of a builder keeps its search path of registries and its policy; see buildah(1). */
const CONTAINERS = '/etc/containers';

/**
 * The system that builds Dockerfiles: buildah, and what its steps run. It has no init, so the agent is
 * process 1. Raise the number in its name when anything of it changes.
 */
const BUILDER: PackageSet = {
  name: 'builder-1',
  suite: 'bookworm',
  components: ['main'],
  packages: [
    ...['buildah', 'crun', 'ca-certificates', 'kmod'],
    // Nothing depends on these by name.
    ...['base-files', 'bash', 'coreutils', 'dash', 'findutils', 'grep', 'gzip', 'libc-bin'],
    ...['mount', 'netbase', 'sed', 'tar', 'util-linux'],
  ],
  files: [
    {
      path: '/etc/passwd',
      content: 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n',
    },
    { path: '/etc/group', content: 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n' },
    { path: '/etc/nsswitch.conf', content: 'passwd: files\ngroup: files\nhosts: files dns\n' },
    { path: '/etc/hostname', content: 'builder\n' },
    { path: '/etc/hosts', content: '127.0.0.1\tlocalhost\n::1\tlocalhost\n' },
    { path: '/etc/resolv.conf', content: '# There is no network until the VM is given one.\n' },
    {
      path: `${CONTAINERS}/policy.json`,
      content: '{ "default": [{ "type": "insecureAcceptAnything" }] }\n',
    },
    {
      path: `${CONTAINERS}/registries.conf`,
      content: 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "permissive"\n',
    },
    // Debian's names some images of other registries by short names; here they are all as Docker has them.
    { path: `${CONTAINERS}/registries.conf.d/shortnames.conf`, content: '' },
    { path: '/root/.keep', content: '' },
    { path: '/usr/lib/modules/.keep', content: '' },
  ],
};

/** Sets that can be made. A new one is a constant and a word here. */
export const PACKAGE_SETS: readonly PackageSet[] = [BUILDER];

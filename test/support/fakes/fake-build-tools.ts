import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** `setpriv ... unshare ... -- COMMAND` without namespaces, which not every machine allows. */
const PLAIN_SETPRIV = `#!/bin/sh
while [ "$1" != unshare ]; do shift; done
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
`;

/**
 * Makes a small tree and a kernel, as mmdebstrap and the recipe's hooks would. The files `fail` and `wait`
 * beside it make it fail or wait.
 */
const MMDEBSTRAP = `#!/bin/sh
set -eu
fakes=$(dirname "$0")
echo run >> "$fakes/runs"
tree="$BUILD/tree"
echo 'I: running apt-get update...' >&2
echo '0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.' >&2
echo 'Get:1 x' >&2; echo 'Get:2 x' >&2
echo 'Setting up a (1) ...' >&2; echo 'Setting up b (1) ...' >&2
mkdir -p "$tree/etc/apt" "$tree/etc/ssh" "$tree/var/lib/dbus" "$tree/root/.ssh"
echo 'deb http://mirror.example/debian bookworm main' > "$tree/etc/apt/sources.list"
echo secret > "$tree/etc/ssh/ssh_host_ed25519_key"
echo 0123 > "$tree/etc/machine-id"
while [ -e "$fakes/wait" ]; do sleep 0.02; done
if [ -e "$fakes/fail" ]; then echo 'E: cannot fetch' >&2; exit 25; fi
kernel="$BUILD/kernel"
mkdir -p "$kernel/boot" "$kernel/lib/modules/6.1.0-1-cloud-amd64"
echo 6.1.5-1 > "$kernel/version"
echo kernel > "$kernel/boot/vmlinuz-6.1.0-1-cloud-amd64"
echo config > "$kernel/boot/config-6.1.0-1-cloud-amd64"
`;

/** An unshare(1) for a program that is already in its namespaces: only runs the command after "--". */
const PLAIN_UNSHARE = `#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
`;

const NPM = `#!/bin/sh
set -eu
fakes=$(dirname "$0")
cp "$fakes/tool-1.0.0.tgz" .
cat "$fakes/npm-answer" 2>/dev/null ||
  printf '[{"filename":"tool-1.0.0.tgz","integrity":"sha512-%s"}]' "$(openssl dgst -sha512 -binary tool-1.0.0.tgz | base64 -w0)"
`;

/**
 * Stand-ins for the programs that image builds run. They come first on the PATH of {@link env}; all other
 * programs are the real ones.
 */
export interface FakeBuildTools {
  dir: string;
  env: Record<string, string>;
  /** hash of the package that npm delivers, in the form that recipes use */
  integrity: string;
  /** how often mmdebstrap was started */
  runs: () => Promise<number>;
}

/**
 * Puts the stand-ins into `dir/tools`. A file `fail` there makes mmdebstrap fail, a file `wait` makes it
 * wait; `npm-answer` is printed by npm.
 */
export async function fakeBuildTools(dir: string): Promise<FakeBuildTools> {
  const tools = join(dir, 'tools');
  await mkdir(tools, { recursive: true });
  const nothing = '#!/bin/sh\n';
  const apt = { 'apt-get': nothing, 'apt-config': nothing };
  const programs = {
    ...apt,
    setpriv: PLAIN_SETPRIV,
    unshare: PLAIN_UNSHARE,
    mmdebstrap: MMDEBSTRAP,
    npm: NPM,
  };
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(tools, name), text);
    await chmod(join(tools, name), 0o755);
  }
  await writeFile(join(tools, 'runs'), '');
  const tarball = join(tools, 'tool-1.0.0.tgz');
  await mkdir(join(tools, 'package/bin'), { recursive: true });
  await writeFile(join(tools, 'package/bin/tool'), 'program\n');
  execFileSync('tar', ['-czf', tarball, '-C', tools, 'package']);
  const hash = createHash('sha512').update(await readFile(tarball));
  return {
    dir: tools,
    integrity: `sha512-${hash.digest('base64')}`,
    env: { PATH: `${tools}:/usr/local/bin:/usr/bin:/bin` },
    runs: async () => (await readFile(join(tools, 'runs'), 'utf8')).split('\n').length - 1,
  };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { messageOf } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';

// Sets names of VMs up with the resolvers that desks have, as Debian packages them, and types what a user
// types on the first day. All of it runs in namespaces of its own, so nothing of this host is touched.

const ROOT = join(import.meta.dirname, '..', '..');
const CACHE = join(ROOT, '.cache', 'resolvers');
/** The resolvers, and the first day of a user with the first of them and a real VM. */
const KINDS = ['systemd-resolved', 'networkmanager', 'demo'];
/** The resolvers, and the libraries of theirs that a host without a desktop lacks. */
const PACKAGES = [
  ...[
    'systemd',
    'libsystemd-shared',
    'systemd-resolved',
    'libnss-resolve',
    'dnsmasq-base',
    'network-manager',
  ],
  ...['libnetfilter-conntrack3', 'libnfnetlink0', 'libnm0', 'libndp0', 'libteamdctl0', 'libbluetooth3'],
  ...['libmm-glib0', 'libjansson4', 'libpolkit-gobject-1-0', 'libpolkit-agent-1-0'],
];
const USAGE = `usage: npm run resolvers [-- systemd-resolved] [networkmanager] [demo]

Downloads systemd-resolved, NetworkManager and dnsmasq with apt, runs them in network and mount namespaces, and has
"banger dns" set them up and remove that again. Then an ordinary user types what one types on the first day, from
"vm run" to "curl http://demo.vm", with a real VM and a container in it. Needs root, Debian, curl and dbus-daemon.
`;

process.exitCode = await main(interruptSignal()).catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean' } },
    allowPositionals: true,
  });
  const kinds = positionals.length > 0 ? positionals : KINDS;
  if (values.help || !kinds.every((kind) => KINDS.includes(kind))) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  if (process.getuid?.() !== 0) throw new Error('only root can make these namespaces');
  const tree = join(CACHE, 'tree');
  if (!existsSync(tree)) await unpack(tree, { signal });
  if (kinds.includes('demo')) await ensureDefaultImage(ROOT);
  let failed = 0;
  for (const kind of kinds) {
    process.stdout.write(`== ${kind}\n`);
    if (!(await check(kind, tree, { signal }))) failed += 1;
  }
  process.stdout.write(`${kinds.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

async function unpack(tree: string, { signal }: Abortable): Promise<void> {
  const [packages, staging] = ['packages', 'staging'].map((name) => join(CACHE, name)) as [string, string];
  for (const dir of [packages, staging]) {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
  }
  await exec(['apt-get', 'download', ...PACKAGES], { cwd: packages, signal });
  for (const name of await readdir(packages)) {
    await exec(['dpkg', '-x', join(packages, name), staging], { signal });
  }
  // On hosts, /lib is a symbolic link to /usr/lib.
  if (existsSync(join(staging, 'lib'))) {
    await exec(['cp', '-a', `${join(staging, 'lib')}/.`, join(staging, 'usr', 'lib')], { signal });
  }
  await rename(staging, tree);
}

/** Returns whether all went well in the namespaces. */
async function check(kind: string, tree: string, { signal }: Abortable): Promise<boolean> {
  const own = [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation',
    'private',
  ];
  const words = ['bash', join(import.meta.dirname, 'host.sh'), kind, tree, process.execPath];
  const child = spawn('unshare', [...own, ...words], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    signal,
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

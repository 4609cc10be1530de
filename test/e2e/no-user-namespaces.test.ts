import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { busyboxLayer } from './support/busybox-layer.ts';
import {
  become,
  NOBODY,
  type OrdinaryUser,
  openOrdinaryUser,
  whyNoOrdinaryUser,
} from './support/ordinary-user.ts';
import { openRegistry, type TestRegistry } from './support/registry.ts';
import { findStaticBusybox } from './support/small-image.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];

const signal = neverAborts();
const uid = process.getuid?.() === 0 ? NOBODY : (process.getuid?.() ?? NOBODY);

/**
 * Runs a program as this user, who has subordinate ids and no capabilities, where nobody can create a user
 * namespace: the kernel has a limit of its own for each namespace.
 */
const OUTER = `
mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid || exit 99
shift
exec unshare --user --map-user=${uid} --map-group=${uid} --keep-caps -- "$@"
`;
const INNER = `
echo 0 >/proc/sys/user/max_user_namespaces || exit 99
exec setpriv --no-new-privs --inh-caps=-all --ambient-caps=-all --bounding-set=-all -- "$@"
`;

suite('without user namespaces', { concurrency: false, timeout: 9 * 60_000 }, () => {
  let dir: string;
  let user: OrdinaryUser;
  let registry: TestRegistry;
  let busybox: string | undefined;
  let why: string | false;

  const forbidding = (subIds: string): string[] => [
    ...['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', OUTER, 'outer', subIds],
    ...['sh', '-c', INNER, 'inner'],
  ];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nn-'));
    await chmod(dir, 0o755);
    const subIds = join(dir, 'subids');
    await writeFile(subIds, `${uid}:100000:65536\n`);
    why = (await whyNoOrdinaryUser()) || (await whyNoNamespace(forbidding(subIds)));
    busybox = await findStaticBusybox();
    registry = await openRegistry();
    if (!why) user = await openOrdinaryUser(forbidding(subIds));
  });
  after(async () => {
    if (!why) await user[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  async function whyNoNamespace(words: readonly string[]): Promise<string | false> {
    const prefix = process.getuid?.() === 0 ? become(NOBODY) : [];
    const tried = [
      'sh',
      '-c',
      'id -u; grep CapEff /proc/self/status; unshare --user true 2>&1 || echo forbidden',
    ];
    const [first = '', ...rest] = [...prefix, ...words, ...tried];
    const { code, stdout } = await exec([first, ...rest], {
      signal,
      okCodes: Array.from({ length: 256 }, (_, at) => at),
    });
    if (code !== 0) return 'this user may make no user namespace here, in which they could be forbidden';
    assert.match(stdout.toString(), new RegExp(`^${uid}\nCapEff:\\s0+\n.*\nforbidden\n$`));
    return false;
  }

  test('an image is pulled and run', async (t) => {
    if (why) return t.skip(why);
    if (busybox === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const layers = [await busyboxLayer(join(dir, 'tree'), busybox)];
    const image = registry.put('test/plain', {
      tag: '1',
      layers,
      config: { env: ['PATH=/bin'], user: 'app' },
    });
    const ran = await user.lab.run(['vm', 'run', '--rm', '--image', image, ...SMALL, '--', 'id', '-un']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), 'app\n');
  });

  test('a tar of a root file system is imported and run', async (t) => {
    if (why) return t.skip(why);
    if (busybox === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const tar = join(dir, 'root.tar');
    await writeFile(tar, await busyboxLayer(join(dir, 'tree2'), busybox));
    await user.lab.text(['image', 'import', '--name', 'imported', `rootfs:${tar}`]);
    const ran = await user.lab.run([
      'vm',
      'run',
      '--rm',
      '--image',
      'imported',
      ...SMALL,
      '--',
      'ls',
      '/bin/busybox',
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), '/bin/busybox\n');
  });

  test('a build of the built-in image, and doctor, name the switch that allows it', async (t) => {
    if (why) return t.skip(why);
    const { lab } = user;
    const built = await lab.run(['image', 'build', '--force', 'debian-bookworm']);
    assert.equal(built.code, 2, built.stderr);
    assert.match(built.stderr, /namespaces cannot be created here\n/);
    assert.match(built.stderr, /hint: sudo sysctl -w user\.max_user_namespaces=15000\n/);
    const { stdout } = await lab.run(['doctor', '--json']);
    const { checks } = JSON.parse(stdout.toString()) as {
      checks: { name: string; status: string; message: string; fix?: string }[];
    };
    const found = checks.find(({ name }) => name === 'namespaces');
    assert.equal(found?.status, 'warn');
    assert.match(
      found?.message ?? '',
      /the built-in image cannot be built; images from registries and Dockerfiles can/,
    );
    assert.equal(found?.fix, 'sudo sysctl -w user.max_user_namespaces=15000');
    assert.match(
      await readFile('/proc/sys/user/max_user_namespaces', 'utf8'),
      /^[1-9]/,
      'only theirs is forbidden',
    );
  });
});

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { exec } from '../../base/process/exec.ts';
import type { HostContent, HostUser } from '../../core/ports/host-user.ts';
import type { SyncedPath } from './file-sync.ts';
import { FsHostUser } from './fs-host-user.ts';
import type { OutsideOptions } from './outside.ts';

const signal = neverAborts();

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'host-user-'));
});

after(() => rm(dir, { recursive: true }));

test('a secret is created once, is readable only by its owner, and differs for each purpose', async () => {
  const secretFile = join(dir, 'secret');
  const user = userAt({ secretFile });
  const [a, again, b] = await Promise.all([user.secret('a'), user.secret('a'), user.secret('b')]);
  assert.equal(a?.length, 32);
  assert.deepEqual(a, again);
  assert.notDeepEqual(a, b);
  assert.equal((await stat(secretFile)).mode & 0o7777, 0o600);
  assert.deepEqual(await userAt({ secretFile }).secret('a'), a);
  assert.notDeepEqual(await userAt({ secretFile: join(dir, 'other') }).secret('a'), a);
});

test('a secret whose file was damaged is refused, and used again once it is restored', async () => {
  const secretFile = join(dir, 'short');
  await writeFile(secretFile, 'short');
  const user = userAt({ secretFile });
  await assert.rejects(user.secret('a'), { code: 'HOST_SECRET_INVALID', details: { path: secretFile } });
  await writeFile(secretFile, Buffer.alloc(32, 1));
  assert.equal((await user.secret('a')).length, 32);
});

test('the login key is created once and is readable only by its owner', async () => {
  const sshKeyFile = join(dir, 'made', 'ssh', 'id_ed25519');
  const both = [userAt({ sshKeyFile }), userAt({ sshKeyFile })];
  const [a, b] = await Promise.all(both.map((user) => user.content({ signal })));
  const line = textOf(a, '/root/.ssh/authorized_keys');
  assert.equal(textOf(b, '/root/.ssh/authorized_keys'), line);
  const { stdout } = await exec(['ssh-keygen', '-y', '-f', sshKeyFile], { signal });
  assert.equal(stdout.toString(), line);
  assert.equal(await readFile(`${sshKeyFile}.pub`, 'utf8'), line);
  assert.equal((await stat(sshKeyFile)).mode & 0o7777, 0o600);
  assert.equal((await stat(join(dir, 'made', 'ssh'))).mode & 0o7777, 0o700);
  const file = a?.files.find(({ path }) => path === '/root/.ssh/authorized_keys');
  assert.deepEqual([file?.mode, file?.how, file?.optional], [0o600, 'add-lines', true]);
});

test('an existing key is used, and a file that is not a key is refused', async () => {
  const sshKeyFile = join(dir, 'own');
  await exec(['ssh-keygen', '-q', '-t', 'ecdsa', '-N', 'a passphrase', '-C', 'mine', '-f', sshKeyFile], {
    signal,
  });
  const line = textOf(await userAt({ sshKeyFile }).content({ signal }), '/root/.ssh/authorized_keys');
  assert.equal(line.split(' ')[1], (await readFile(`${sshKeyFile}.pub`, 'utf8')).split(' ')[1]);
  const whole = await readFile(sshKeyFile, 'utf8');
  for (const broken of [
    '',
    'no key',
    whole.slice(0, 60),
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n',
  ]) {
    await writeFile(sshKeyFile, broken);
    await assert.rejects(userAt({ sshKeyFile }).content({ signal }), { code: 'SSH_KEY_INVALID' });
  }
});

test('git in the guest has the name and the mail address of the user, however they are written', async () => {
  const home = join(dir, 'home');
  await mkdir(home, { recursive: true });
  const env = { PATH: process.env['PATH'], HOME: home, GIT_CONFIG_NOSYSTEM: '1' };
  assert.equal(textOf(await userAt({ env }).content({ signal }), '/root/.gitconfig'), '');
  for (const name of ['Ada', ' Ada "the first" \\ # ; Lovelace ', 'Zo\u00eb', 'two\nlines']) {
    for (const [key, value] of [
      ['user.name', name],
      ['user.email', 'me@here'],
    ] as const) {
      await exec(['git', 'config', '--global', '--replace-all', key, value], { signal, env });
    }
    const content = await userAt({ env }).content({ signal });
    assert.equal(content.files.find(({ path }) => path === '/root/.gitconfig')?.how, 'create');
    const copy = join(dir, 'gitconfig');
    await writeFile(copy, textOf(content, '/root/.gitconfig'));
    const { stdout } = await exec(['git', 'config', '--file', copy, '--null', '--list'], { signal, env });
    assert.equal(stdout.toString(), `user.name\n${name}\0user.email\nme@here\0`);
  }
  await writeFile(join(home, '.gitconfig'), '[user\n');
  assert.equal(textOf(await userAt({ env }).content({ signal }), '/root/.gitconfig'), '');
  const noGit = { ...env, PATH: join(dir, 'nothing') };
  assert.equal(textOf(await userAt({ env: noGit }).content({ signal }), '/root/.gitconfig'), '');
});

test('files and folders are read with their modes, symlinks to files as files, and everything else is reported', async () => {
  const from = join(dir, 'from');
  await mkdir(join(from, 'deep', 'empty'), { recursive: true, mode: 0o750 });
  await chmod(join(from, 'deep'), 0o700);
  await writeFile(join(from, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(join(from, 'deep', 'bytes'), Buffer.from([0, 255, 10]), { mode: 0o640 });
  await symlink('../tool', join(from, 'deep', 'link'));
  await symlink('deep', join(from, 'loop'));
  await symlink('nowhere', join(from, 'dangling'));
  await exec(['mkfifo', join(from, 'fifo')], { signal });
  const { files, notices } = await userAt({
    fileSync: [
      { hostPath: from, guestPath: '/root/to' },
      { hostPath: join(from, 'tool'), guestPath: '/root/tool' },
      { hostPath: join(from, 'tool'), guestPath: '/root/bin/tool', mode: 0o711 },
      { hostPath: join(from, 'missing'), guestPath: '/root/missing' },
      { hostPath: '/dev/null', guestPath: '/root/null' },
    ],
  }).content({ signal });
  const got = files
    .filter(({ path }) => !path.startsWith('/root/.'))
    .map(({ path, mode, how, optional, content = Buffer.alloc(0) }) => {
      assert.equal(optional, true);
      return `${path} ${mode.toString(8)} ${how ?? 'replace'} ${Buffer.from(content).toString('latin1')}`;
    });
  assert.deepEqual(got.sort(), [
    '/root/bin/tool 711 replace #!/bin/sh\n',
    '/root/to 750 folder ',
    '/root/to/deep 700 folder ',
    '/root/to/deep/bytes 640 replace \0\u00ff\n',
    '/root/to/deep/empty 750 folder ',
    '/root/to/deep/link 755 replace #!/bin/sh\n',
    '/root/to/tool 755 replace #!/bin/sh\n',
    '/root/tool 600 replace #!/bin/sh\n',
  ]);
  assert.deepEqual(notices.map((notice) => /"([^"]*)"/.exec(notice)?.[1]).sort(), [
    '/dev/null',
    join(from, 'dangling'),
    join(from, 'fifo'),
    join(from, 'loop'),
    join(from, 'missing'),
  ]);
});

test('more than 16 MiB are refused before they are read', async () => {
  const [half, more] = [join(dir, 'half'), join(dir, 'more')];
  for (const path of [half, more]) await writeFile(path, '');
  await truncate(half, 8 * 2 ** 20);
  await truncate(more, 2 ** 40);
  const fileSync = [half, half].map((hostPath, index) => ({ hostPath, guestPath: `/root/${index}` }));
  const { files } = await userAt({ fileSync }).content({ signal });
  assert.ok(files.length >= 2);
  const tooMuch = [...fileSync, { hostPath: more, guestPath: '/root/more' }];
  await assert.rejects(userAt({ fileSync: tooMuch }).content({ signal }), {
    code: 'FILE_SYNC_TOO_LARGE',
    details: { path: more },
  });
});

test('an existing file that cannot be read is an error that names it', async () => {
  const path = join(dir, 'loop-link');
  await symlink('loop-link', path);
  await assert.rejects(userAt({ fileSync: [{ hostPath: path, guestPath: '/root/x' }] }).content({ signal }), {
    code: 'FILE_SYNC_FAILED',
    details: { path },
  });
});

test("guests get proxies only when asked to: those of the environment that a client names, else the daemon's", async () => {
  const env = { PATH: process.env['PATH'], HOME: join(dir, 'nobody'), http_proxy: 'http://old:1' };
  const proxyOf = async (user: HostUser): Promise<string | undefined> =>
    (await user.content({ signal })).outside.environment['http_proxy'];
  const asked = userAt({ env, outside: { authorityFolders: [], hasProxies: true } });
  assert.equal(await proxyOf(asked), 'http://old:1');
  const elsewhere = asked.behind({ http: 'http://new:2' });
  assert.equal(await proxyOf(elsewhere), 'http://new:2');
  assert.equal(await proxyOf(elsewhere.behind({})), undefined);
  assert.deepEqual(await elsewhere.secret('a'), await asked.secret('a'));
  assert.equal(await proxyOf(userAt({ env }).behind({ http: 'http://new:2' })), undefined);
});

test('reading stops when its signal aborts', async () => {
  const reason = new Error('enough');
  const fileSync = [{ hostPath: dir, guestPath: '/root/x' }];
  await assert.rejects(userAt({ fileSync }).content({ signal: AbortSignal.abort(reason) }), reason);
});

function userAt(options: {
  secretFile?: string;
  sshKeyFile?: string;
  fileSync?: readonly SyncedPath[];
  env?: NodeJS.ProcessEnv;
  outside?: OutsideOptions;
}): FsHostUser {
  return new FsHostUser({
    secretFile: join(dir, 'a-secret'),
    sshKeyFile: join(dir, 'a-key'),
    fileSync: [],
    env: { PATH: process.env['PATH'], HOME: join(dir, 'nobody') },
    outside: { authorityFolders: [], hasProxies: false },
    ...options,
  });
}

/** Content of one file; empty when the file does not exist. */
function textOf(content: HostContent | undefined, path: string): string {
  const file = content?.files.find((each) => each.path === path);
  return Buffer.from(file?.content ?? []).toString();
}

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { tarHeader } from '../../../src/base/tar/write-tar.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type CliResult, FakeOutput, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

// The guest is an agent on this host: its paths are paths here.
const signal = neverAborts();
const BIG = Buffer.alloc(3_000_000, 'some content ');

let lab: DaemonLab;
let here: string;
let guest: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  here = join(lab.dir, 'here');
  guest = join(lab.dir, 'guest');
  for (const dir of [here, guest, join(here, 'tree'), join(here, 'tree', 'sub')]) await mkdir(dir);
  await writeFile(join(here, 'file'), BIG, { mode: 0o750 });
  await writeFile(join(here, 'tree', 'sub', 'deep'), 'deep');
  await symlink('sub/deep', join(here, 'tree', 'link'));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const cp = (
  source: string,
  target: string,
  options: Partial<Parameters<typeof runCli>[1]> = {},
): Promise<CliResult> => runCli(['vm', 'cp', source, target], { env: lab.env, cwd: here, ...options });

async function copied(source: string, target: string): Promise<string> {
  const { status, stdout, stderr } = await cp(source, target);
  assert.deepEqual([status, stdout], [0, ''], stderr);
  return stderr;
}

const listOf = async (dir: string): Promise<string[]> => (await readdir(dir, { recursive: true })).sort();

test('a file is copied in and out with its mode and time, under its own name or another', async () => {
  assert.match(await copied('file', `box:${guest}`), /^copied 1 entry, 2.9M$/m);
  await copied(`box:${guest}/file`, './back');
  await copied('./file', `box:${guest}/renamed`);
  await copied(`box:${guest}/renamed`, '.');
  const [given, back] = await Promise.all(['file', 'back'].map((name) => stat(join(here, name))));
  assert.deepEqual(await readFile(join(here, 'back')), BIG);
  assert.deepEqual(await readFile(join(here, 'renamed')), BIG);
  assert.deepEqual(
    [back?.mode, Math.floor(back?.mtimeMs ?? 0)],
    [given?.mode, Math.floor(given?.mtimeMs ?? 1)],
  );
  await copied('back', `box:${guest}/file`);
});

test('a directory is copied in and out: into an existing one, as a new one, or only its content', async () => {
  const content = ['link', 'sub', 'sub/deep'];
  await copied('tree', `box:${guest}`);
  assert.deepEqual(await listOf(join(guest, 'tree')), content);
  await copied('tree/', `box:${guest}/new`);
  assert.deepEqual(await listOf(join(guest, 'new')), content);
  await copied('tree/.', `box:${guest}/new`);
  assert.deepEqual(await listOf(join(guest, 'new')), content);
  await mkdir(join(here, 'out'));
  await copied(`box:${guest}/tree`, 'out');
  assert.deepEqual(await listOf(join(here, 'out')), ['tree', ...content.map((name) => `tree/${name}`)]);
  await copied(`box:${guest}/tree/.`, 'out2');
  assert.deepEqual(await listOf(join(here, 'out2')), content);
  assert.equal(await readFile(join(here, 'out2', 'link'), 'utf8'), 'deep');
});

test('an archive on stdin is unpacked, and one is written to stdout', async () => {
  const { stdout } = await exec(['tar', 'c', '-C', here, 'tree'], { signal });
  const stdin = new PassThrough();
  stdin.end(stdout);
  await mkdir(join(guest, 'stream'));
  const sent = await cp('-', `box:${guest}/stream`, { stdin });
  assert.equal(sent.status, 0, sent.stderr);
  assert.deepEqual(await listOf(join(guest, 'stream')), ['tree', 'tree/link', 'tree/sub', 'tree/sub/deep']);
  for (const [source, names] of [
    ['tree', 'tree/\ntree/link\ntree/sub/\ntree/sub/deep\n'],
    ['tree/.', 'link\nsub/\nsub/deep\n'],
    ['file', 'file\n'],
  ] as const) {
    const got = await cp(`box:${guest}/${source}`, '-');
    const list = await exec(['tar', 't'], { signal, input: Buffer.from(got.stdout) });
    assert.deepEqual([got.status, list.stdout.toString()], [0, names], got.stderr);
  }
  const terminal = await cp(`box:${guest}/file`, '-', { stdout: new FakeOutput({ isTTY: true }) });
  assert.deepEqual([terminal.status, terminal.stdout], [2, '']);
});

for (const [what, source, target, status, said] of [
  ['a missing host path', './no', 'box:/GUEST', 1, /Cannot copy ".\/no": it does not exist/],
  ['a missing guest path', 'box:/GUEST/no', '.', 1, /Cannot copy "box:.*no": it does not exist/],
  ['a target with a missing parent', 'file', 'box:/GUEST/no/no', 1, /is not a directory/],
  ['a directory to a file', 'tree', 'box:/GUEST/file', 1, /Cannot copy a directory to .*: it is a file/],
  ['a device', 'box:/dev/null', '.', 1, /neither a file nor a directory/],
  ['an archive to a target that is not a directory', '-', 'box:/GUEST/file', 1, /not a directory/],
  ['two host paths', 'a', 'b', 2, /neither is in a VM/],
  ['a missing VM', 'nobody:/x', '.', 1, /nobody/],
] as const) {
  test(`${what} is refused`, async () => {
    const ran = await cp(source.replace('/GUEST', guest), target.replace('/GUEST', guest));
    assert.equal(ran.status, status, ran.stderr);
    assert.match(ran.stderr, said);
  });
}

test('--json reports what was copied', async () => {
  const ran = await runCli(['vm', 'cp', '--json', 'tree', `box:${guest}/json`], { env: lab.env, cwd: here });
  assert.deepEqual(JSON.parse(ran.stdout), {
    ...{ entries: 4, bytes: 4, skipped: 0 },
    ...{ leftOut: [], leftOutCount: 0 },
  });
});

test('after an interrupted copy, the old file is complete, and nothing is beside it', async () => {
  const folder = join(guest, 'whole');
  await mkdir(folder);
  await writeFile(join(folder, 'old'), 'old and whole');
  const brokenOff = async (name: string, { sizeBytes, sent }: { sizeBytes: number; sent: number }) => {
    const stop = new AbortController();
    const tar = async function* (): AsyncGenerator<Buffer> {
      const names = { name: Buffer.from(name), linkName: Buffer.alloc(0) };
      yield tarHeader({ kind: 'file', mode: 0o644, mtimeMs: 0, sizeBytes, ...names });
      yield Buffer.alloc(sent, 'x');
      // By then the agent usually has what was sent; it is not a failure if it does not.
      await new Promise((resolve) => setTimeout(resolve, 300));
      stop.abort(new Error('enough'));
      await new Promise(() => {});
    };
    const sending = lab.client.writeToGuest('box', folder, { tar: tar(), signal: stop.signal });
    await assert.rejects(sending, /enough/);
  };
  await brokenOff('old', { sizeBytes: 30_000_000, sent: 8_000_000 });
  await brokenOff('new', { sizeBytes: 30_000_000, sent: 8_000_000 });
  await brokenOff('old', { sizeBytes: 20_000, sent: 100 });
  const isQuiet = async (): Promise<true | undefined> => (await listOf(folder)).join() === 'old' || undefined;
  await poll(isQuiet, { everyMs: 20, deadlineMs: 55_000, what: 'the agent to notice', signal });
  assert.equal(await readFile(join(folder, 'old'), 'utf8'), 'old and whole');
});

test('a sparse file stays sparse in both directions, alone and in a directory', async () => {
  const size = 16 * 2 ** 20;
  await mkdir(join(here, 'holes'));
  await writeFile(join(here, 'holes', 'disk'), 'begin');
  await truncate(join(here, 'holes', 'disk'), size);
  const room = async (path: string): Promise<number> => (await stat(path)).blocks * 512;
  await copied('holes', `box:${guest}`);
  await copied('holes/disk', `box:${guest}/alone`);
  await copied(`box:${guest}/holes`, 'holes-back');
  await copied(`box:${guest}/alone`, 'alone-back');
  for (const path of [
    ...[join(guest, 'holes', 'disk'), join(guest, 'alone')],
    ...[join(here, 'holes-back', 'disk'), join(here, 'alone-back')],
  ]) {
    assert.equal((await stat(path)).size, size, path);
    assert.ok((await room(path)) < 2 ** 20, `${path} takes ${await room(path)} bytes`);
    const whole = await readFile(path);
    assert.equal(whole.subarray(0, 5).toString(), 'begin');
    assert.ok(whole.subarray(5).equals(Buffer.alloc(size - 5)));
  }
  // Other programs read the archive without a warning about our record.
  const { stdout } = await cp(`box:${guest}/alone`, '-');
  assert.equal(Buffer.from(stdout, 'latin1').includes('FILE.sparse'), false);
});

test('a repository is copied out without programs that git could run, with a notice, and completely with --all', async () => {
  const repo = join(guest, 'repo');
  await exec(['git', 'init', '-q', repo], { signal });
  await exec(['git', '-C', repo, 'config', 'core.fsmonitor', 'touch /tmp/was-run'], { signal });
  await mkdir(join(repo, '.git/hooks'), { recursive: true });
  await writeFile(join(repo, '.git/hooks/post-checkout'), '#!/bin/sh\n', { mode: 0o755 });
  const run = (...words: string[]) => runCli(['vm', 'cp', ...words], { env: lab.env, cwd: here });
  const safe = await run(`box:${repo}`, 'safe');
  assert.equal(safe.status, 0, safe.stderr);
  assert.match(
    safe.stderr,
    /left out, because git could run it on this host: .*core\.fsmonitor.*post-checkout; --all/s,
  );
  assert.doesNotMatch(await readFile(join(here, 'safe/.git/config'), 'utf8'), /fsmonitor/);
  await exec(['git', '-C', join(here, 'safe'), 'status'], { signal });
  const json = await run('--json', `box:${repo}/.git`, 'safe.git');
  assert.deepEqual(JSON.parse(json.stdout).leftOut, [
    { path: 'config', why: 'settings', settings: ['core.fsmonitor'] },
    { path: 'hooks/post-checkout', why: 'hook' },
  ]);
  const all = await run('--all', `box:${repo}`, 'all');
  assert.deepEqual([all.status, /left out/.test(all.stderr)], [0, false]);
  assert.match(await readFile(join(here, 'all/.git/config'), 'utf8'), /fsmonitor/);

  await writeFile(join(guest, '.git'), 'gitdir: /tmp\n');
  const leads = await run(`box:${guest}/.git`, '.');
  assert.equal(leads.status, 1);
  assert.match(leads.stderr, /git would use the folder.*--all/s);
});

test('the error for a guest that sends too much names the option that allows it', async () => {
  const run = (...words: string[]) => runCli(['vm', 'cp', ...words], { env: lab.env, cwd: here });
  for (const [words, said] of [
    [['--max-size', '1K', `box:${guest}/alone`, 'too-large'], /more than 1K.*--max-size 2K/s],
    [['--max-entries', '2', `box:${guest}/tree`, 'too-many'], /more than 2 files.*--max-entries 4/s],
  ] as const) {
    const ran = await run(...words);
    assert.equal(ran.status, 1);
    assert.match(ran.stderr, said);
  }
  assert.equal((await listOf(here)).includes('too-large'), false);
  for (const words of [
    ['--max-size', 'x'],
    ['--max-entries', '0'],
  ]) {
    assert.equal((await run(...words, `box:${guest}/tree`, 'x')).status, 2);
  }
});

test('the refusal of an upload is reported while it is being sent', async () => {
  await mkdir(join(guest, 'full', 'file', 'not empty'), { recursive: true });
  const endless = async function* (): AsyncGenerator<Buffer> {
    const { stdout } = await exec(['tar', 'c', '-C', here, 'file'], { signal });
    yield stdout.subarray(0, 512);
    for (;;) yield Buffer.alloc(64 * 1024);
  };
  const sending = lab.client.writeToGuest('box', join(guest, 'full'), { tar: endless(), signal });
  await assert.rejects(sending, { code: 'GUEST_FAILED', message: /not empty/ });
});

test('a client that is refused while it still sends gets the answer, on an open connection', async () => {
  const socket = connect(lab.settings.paths.daemonSocket);
  const answers: Buffer[] = [];
  const answered = new Promise((resolve) => socket.on('data', (chunk) => resolve(answers.push(chunk))));
  socket.write('PUT /v1/vms/nobody/files?path=/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n');
  socket.write('Transfer-Encoding: chunked\r\n\r\n');
  await answered;
  assert.match(String(Buffer.concat(answers)), /^HTTP\/1.1 404 /);
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  for (let count = 0; count < 50; count += 1) {
    await new Promise<void>((resolve, reject) => {
      socket.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
  socket.destroy();
});

test('content that fails while it is sent fails the call, and the daemon keeps running', async () => {
  const broken = new Error('broken');
  const failing = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(100_000);
    throw broken;
  };
  await assert.rejects(lab.client.writeToGuest('box', guest, { tar: failing(), signal }), broken);
  assert.equal((await lab.client.statInGuest('box', guest, { signal })).kind, 'directory');
});

test('a file that shrinks while it is read fails the download in the middle, with the reason', async () => {
  const path = join(guest, 'shrinks');
  await writeFile(path, Buffer.alloc(64 * 2 ** 20));
  const hash = createHash('sha256');
  const read = async (): Promise<void> => {
    let isFirst = true;
    for await (const chunk of lab.client.readFromGuest('box', path, { signal })) {
      hash.update(chunk);
      if (isFirst) await writeFile(path, '');
      isFirst = false;
    }
  };
  await assert.rejects(read(), { code: 'GUEST_FAILED', message: /became shorter/ });
});

test('a cancelled copy ends, and the daemon keeps running', async () => {
  const stop = new AbortController();
  const stdin = stdinOf();
  const slow = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(512);
    stop.abort(new Error('enough'));
    yield* stdin;
    await new Promise(() => {});
  };
  await assert.rejects(lab.client.writeToGuest('box', guest, { tar: slow(), signal: stop.signal }), /enough/);
  assert.equal((await lab.client.showVm('box', { signal })).state, 'running');
});

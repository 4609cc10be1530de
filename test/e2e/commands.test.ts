import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { VmStats } from '../../src/protocol/usage.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const signal = neverAborts();

describe('commands in a VM', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  });
  after(() => lab[Symbol.asyncDispose]());

  test('vm run --rm exits with the status of its command and leaves nothing', async () => {
    const ran = await lab.run([
      'vm',
      'run',
      '--rm',
      '--name',
      'once',
      ...SMALL,
      '--',
      'sh',
      '-c',
      'echo out; exit 42',
    ]);
    assert.equal(ran.code, 42, ran.stderr);
    assert.equal(ran.stdout.toString(), 'out\n');
    assert.match(ran.stderr, /^spec: \d+ vcpu \| 512 MiB \| 1G disk$/m);
    assert.match(ran.stderr, /^\[vm create\] ready in /m);
    const vms = JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as { name: string }[];
    assert.deepEqual(
      vms.map(({ name }) => name),
      ['box'],
    );
  });

  test('the status of a command that is killed by a signal is 128 plus its number', async () => {
    const ran = await lab.run(['vm', 'exec', 'box', '--', 'sh', '-c', 'kill -TERM $$']);
    assert.equal(ran.code, 128 + 15);
  });

  test('--timeout ends a command with its descendants, with status 124 and a message', async () => {
    const script = 'setsid sleep 4321 & echo begun; wait';
    const ran = await lab.run(['vm', 'exec', '--timeout', '1s', 'box', '--', 'sh', '-c', script]);
    assert.equal(ran.code, 124, ran.stderr);
    assert.equal(ran.stdout.toString(), 'begun\n');
    assert.match(
      ran.stderr,
      /the command ran longer than 1 s: it and everything that it had started were ended/,
    );
    const left = await lab.run(['vm', 'exec', 'box', '--', 'pgrep', '-f', 'sleep 4321']);
    assert.equal(left.code, 1, left.stdout.toString());
  });

  test('stdin arrives complete', async () => {
    const lines = Buffer.from(Array.from({ length: 2_000_000 }, (_, index) => `${index + 1}\n`).join(''));
    const ran = await lab.run(['vm', 'exec', 'box', '--', 'sha256sum'], {
      input: Readable.from(chunksOf(lines)),
    });
    assert.equal(
      ran.stdout.toString(),
      `${createHash('sha256').update(lines).digest('hex')}  -\n`,
      ran.stderr,
    );
  });

  test('60 MB of output arrive complete', async () => {
    const command = lab.start(['vm', 'exec', 'box', '--', 'sh', '-c', 'head -c 60000000 /dev/zero']);
    const ran = await command.done;
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.length, 60_000_000);
  });

  test('stdout and stderr stay separate', async () => {
    const ran = await lab.run(['vm', 'exec', 'box', '--', 'sh', '-c', 'echo one; echo two >&2; echo three']);
    assert.equal(ran.stdout.toString(), 'one\nthree\n');
    assert.equal(ran.stderr, 'two\n');
  });

  test('the status of a missing program is 127', async () => {
    const ran = await lab.run(['vm', 'exec', 'box', '--', 'no-such-program']);
    assert.equal(ran.code, 127);
  });

  test('the guest has its own name, a machine id, and the time of the host', async () => {
    const before = Date.now() / 1000;
    const [name, id, seconds] = (
      await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', 'hostname; cat /etc/machine-id; date +%s'])
    ).split('\n');
    assert.equal(name, 'box');
    assert.match(id ?? '', /^[0-9a-f]{32}$/);
    const after = Date.now() / 1000;
    assert.ok(
      Number(seconds) > before - 5 && Number(seconds) < after + 5,
      `the clock of the guest says ${seconds}, between ${before} and ${after} of the host`,
    );
  });

  test('without --nat the network interface is down and names do not resolve', async () => {
    const script =
      'ip -o link show eth0; ip route; ip -6 route show default; getent hosts somewhere.test; echo $?';
    const seen = await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', script]);
    assert.match(seen, /^\d+: eth0: <BROADCAST,MULTICAST> [^\n]*\n2\n$/);
  });

  test('vm cp copies a directory into the guest and out again without changes', async () => {
    const tree = join(lab.scratch, 'tree');
    await mkdir(join(tree, 'sub'), { recursive: true });
    await writeFile(join(tree, 'sub', 'tool'), randomBytes(3_000_000), { mode: 0o755 });
    await symlink('sub/tool', join(tree, 'link'));
    await lab.text(['vm', 'cp', 'tree', 'box:/srv']);
    const owner = await lab.text(['vm', 'exec', 'box', '--', 'stat', '-c', '%U %a %n', '/srv/tree/sub/tool']);
    assert.equal(owner, 'root 755 /srv/tree/sub/tool\n');
    await lab.text(['vm', 'cp', 'box:/srv/tree', 'back']);
    const differences = await exec(['diff', '-r', '--no-dereference', tree, join(lab.scratch, 'back')], {
      signal,
    });
    assert.equal(differences.stdout.toString(), '');
    const archive = await lab.run(['vm', 'cp', 'box:/srv/tree', '-']);
    const names = await exec(['tar', 't'], { signal, input: archive.stdout });
    assert.equal(names.stdout.toString(), 'tree/\ntree/link\ntree/sub/\ntree/sub/tool\n');
  });

  test('vm_ports: sshd is listed on port 22, and a web server with a link', async () => {
    const serve = 'cd /srv; setsid python3 -m http.server 8080 >/dev/null 2>&1 &';
    await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', serve]);
    let table = '';
    const isListed = async (): Promise<true | undefined> => {
      // A guest that is emulated on a busy host may not answer in time while it starts the server.
      const ran = await lab.run(['vm', 'ports', 'box']);
      table = ran.stdout.toString() + ran.stderr;
      const web = /^box\.vm:8080 +tcp +python3 +(127\.77\.\d+\.\d+:8080) +http:\/\/\1$/m;
      return (web.test(table) && /^box\.vm:22 +tcp +sshd\b/m.test(table)) || undefined;
    };
    const waiting = { everyMs: 500, deadlineMs: 120_000, what: 'the web server', signal };
    await poll(isListed, waiting).catch((error: unknown) => assert.fail(`${String(error)}: ${table}`));
  });

  test('vm stats reports the guest and the host', async () => {
    const { now } = JSON.parse(await lab.text(['vm', 'stats', '--json', 'box'])) as VmStats;
    assert.ok(now.guest && now.guest.memory.totalBytes > 400 * 2 ** 20, JSON.stringify(now));
    assert.deepEqual(
      now.guest.disks.map(({ mount }) => mount),
      ['/', '/root'],
    );
    assert.ok(now.host.vmmMemoryBytes > 2 ** 26 && now.host.driveBytes > 0, JSON.stringify(now.host));
  });

  test('commands fail when the agent in the guest dies, and the next one runs', async () => {
    const waiting = lab.start(['vm', 'exec', 'box', '--', 'sh', '-c', 'echo up; sleep 1000']);
    const isUp = (): true | undefined => waiting.stdout().length > 0 || undefined;
    await poll(isUp, { everyMs: 50, deadlineMs: 60_000, what: 'the command', signal });
    const killing = lab.start([
      'vm',
      'exec',
      'box',
      '--',
      'sh',
      '-c',
      'kill -9 $(pgrep -f "banger/agent serve")',
    ]);
    for (const { code, stderr } of await Promise.all([waiting.done, killing.done])) {
      assert.equal(code, 125);
      assert.match(stderr, /the link to the guest was lost/);
    }
    assert.equal(await lab.text(['vm', 'exec', 'box', '--', 'echo', 'back']), 'back\n');
  });

  test('files and drives survive stop and start', async () => {
    await lab.text([
      'vm',
      'exec',
      'box',
      '--',
      'sh',
      '-c',
      'echo kept > /root/work; echo kept > /etc/system',
    ]);
    await lab.text(['vm', 'stop', 'box']);
    assert.match(await lab.text(['vm', 'show', 'box']), /"state": "stopped"/);
    const refused = await lab.run(['vm', 'exec', 'box', '--', 'true']);
    assert.match(refused.stderr, /vm "box" is not running \(state: stopped\)/);
    await lab.text(['vm', 'start', 'box']);
    assert.equal(
      await lab.text(['vm', 'exec', 'box', '--', 'cat', '/root/work', '/etc/system']),
      'kept\nkept\n',
    );
  });

  test('docker runs a container, on overlay2', async () => {
    const script = [
      'set -e',
      'docker info --format "{{.Driver}}"',
      'mkdir -p /tmp/r/bin /tmp/r/lib64 /tmp/r/lib/x86_64-linux-gnu',
      'cp /bin/echo /tmp/r/bin/',
      'for l in $(ldd /bin/echo | grep -o "/[^ ]*"); do mkdir -p /tmp/r$(dirname $l); cp -L $l /tmp/r$l; done',
      'tar -C /tmp/r -c . | docker import - tiny >/dev/null',
      'docker run --rm tiny /bin/echo from the container',
    ].join('\n');
    const ran = await lab.run(['vm', 'exec', 'box', '--', 'sh', '-c', script]);
    assert.equal(ran.stdout.toString(), 'overlay2\nfrom the container\n', ran.stderr);
  });
});

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

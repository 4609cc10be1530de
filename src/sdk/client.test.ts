import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  type FakeDaemon,
  fakeVm,
  sendEvents,
  sendJson,
  startFakeDaemon,
} from '../../test/support/fakes/fake-daemon.ts';
import { until } from '../../test/support/until.ts';
import type { Abortable } from '../base/abort.ts';
import { AppError } from '../base/errors.ts';
import { type BangerClient, createClient } from './client.ts';
import { resultOf } from './work.ts';

const signal = new AbortController().signal;

describe('createClient()', () => {
  let folder: string;
  let daemon: FakeDaemon;
  let client: BangerClient;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sdk-'));
    daemon = await startFakeDaemon(join(folder, 's'));
    client = createClient({ socketPath: daemon.socketPath });
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const addVm = (name: string, fields = {}) => {
    const vm = fakeVm({ name, ...fields });
    daemon.vms.set(vm.id, vm);
    return vm;
  };

  test('lists running VMs, or all of them', async () => {
    addVm('web');
    addVm('old', { state: 'stopped' });
    assert.deepEqual(
      (await client.listVms({ signal })).map(({ name }) => name),
      ['web'],
    );
    assert.deepEqual(
      (await client.listVms({ isAll: true, signal })).map(({ name }) => name),
      ['web', 'old'],
    );
  });

  test('keeps unknown fields of an answer, and states of a newer daemon', async () => {
    addVm('web', { state: 'hibernating', color: 'blue' });
    const vm = await client.showVm('web', { signal });
    assert.equal((vm as unknown as { color: string }).color, 'blue');
    assert.equal(vm.state, 'hibernating');
  });

  test('starts, stops and deletes by name', async () => {
    addVm('web');
    assert.equal((await resultOf(client.stopVm('web', { signal }))).state, 'stopped');
    assert.equal((await resultOf(client.startVm('web', { signal }))).state, 'running');
    await resultOf(client.deleteVm('web', { signal }));
    assert.equal(daemon.vms.size, 0);
  });

  test("throws the daemon's error with its code and hint", async () => {
    await assert.rejects(client.showVm('nope', { signal }), {
      code: 'VM_NOT_FOUND',
      hint: 'banger vm list --all',
    });
  });

  test('refuses references that would lead to another route, without asking the daemon', async () => {
    for (const ref of ['', '.', '..', '../images', 'a/b', 'a b', 'A', 'a?x', 'x'.repeat(64)]) {
      await assert.rejects(async () => client.showVm(ref, { signal }), { code: 'VM_REF_INVALID' }, ref);
      assert.throws(() => client.deleteVm(ref, { signal }), { code: 'VM_REF_INVALID' }, ref);
    }
    await assert.rejects(async () => client.showImage('..', { signal }), { code: 'IMAGE_NAME_INVALID' });
    assert.deepEqual(daemon.requests, []);
  });

  test('escapes image names', async () => {
    await assert.rejects(client.showImage('a/b:c', { signal }), AppError);
    assert.equal(daemon.requests[0]?.path, '/v1/images/a%2Fb%3Ac');
  });

  test('returns the version label of each answer', async () => {
    const labels: string[] = [];
    daemon.versionLabel = 'v9';
    await createClient({
      socketPath: daemon.socketPath,
      onDaemonVersion: (label) => labels.push(label),
    }).listVms({ signal });
    assert.deepEqual(labels, ['v9']);
  });

  test('names the invalid field of an answer', async () => {
    addVm('web', { lastError: { code: 'X', message: 1 } });
    await assert.rejects(client.showVm('web', { signal }), {
      code: 'DAEMON_PROTOCOL',
      message: /GET \/v1\/vms\/web: lastError\.message: must be text$/,
    });
  });

  test('fails with DAEMON_PROTOCOL on answers of another shape', async () => {
    for (const answer of [{}, { vms: 'none' }, { vms: [{ id: 1 }] }, null, []]) {
      daemon.answers.set('GET /v1/vms', (_request, response) => sendJson(response, 200, answer));
      await assert.rejects(client.listVms({ signal }), { code: 'DAEMON_PROTOCOL' });
    }
  });

  test('does not read an endless answer', async () => {
    daemon.answers.set('GET /v1/vms', (_request, response) => {
      const chunk = 'x'.repeat(1024 * 1024);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    await assert.rejects(client.listVms({ signal }), { code: 'DAEMON_PROTOCOL' });
  });

  test('aborts a call that is not answered', async () => {
    const controller = new AbortController();
    daemon.answers.set('GET /v1/vms', () => controller.abort(new Error('enough')));
    await assert.rejects(client.listVms({ signal: controller.signal }), { message: 'enough' });
  });

  test('fails with DAEMON_LOST when the daemon dies during a call', async () => {
    daemon.answers.set('GET /v1/vms', () => void daemon.die());
    await assert.rejects(client.listVms({ signal }), { code: 'DAEMON_LOST' });
  });

  describe('leaseVm()', () => {
    test('keeps the VM until its disposal, and closing twice is fine', async () => {
      const lease = await client.leaseVm({ name: 'tmp' }, { signal });
      assert.equal(lease.vm.ephemeral, true);
      assert.equal(daemon.vms.size, 1);
      await lease[Symbol.asyncDispose]();
      await lease[Symbol.asyncDispose]();
      await until(() => daemon.vms.size === 0);
    });

    test('is cancelled by the signal only while the VM is being created', async () => {
      const controller = new AbortController();
      const lease = await client.leaseVm({ name: 'tmp' }, { signal: controller.signal });
      controller.abort();
      await client.listVms({ signal });
      assert.equal(daemon.vms.size, 1);
      await lease[Symbol.asyncDispose]();

      daemon.createMs = 10_000;
      const second = new AbortController();
      const leased = client.leaseVm(
        { name: 'two' },
        { signal: second.signal, onNews: () => second.abort(new Error('enough')) },
      );
      await assert.rejects(leased, { message: 'enough' });
    });

    test('hangs up when the result is not a VM', async () => {
      let isClosed = false;
      daemon.answers.set('POST /v1/vms', (_request, response) => {
        response.once('close', () => {
          isClosed = true;
        });
        response.write('{"event":"result","value":{}}\n');
      });
      await assert.rejects(client.leaseVm({}, { signal }), { code: 'DAEMON_PROTOCOL' });
      await until(() => isClosed);
    });
  });

  describe('exec()', () => {
    beforeEach(() => void addVm('web'));

    test('collects stdout and stderr separately, and the exit code', async () => {
      using session = await client.exec(
        'web',
        { argv: ['sh', '-c', 'echo out; echo err >&2; exit 7'] },
        { signal },
      );
      const { exit, stdout, stderr } = await session.collect();
      assert.deepEqual([exit, stdout.toString(), stderr.toString()], [{ code: 7 }, 'out\n', 'err\n']);
    });

    test('passes input of any size and its end on', async () => {
      using session = await client.exec('web', { argv: ['sha256sum'] }, { signal });
      const block = Buffer.alloc(1024 * 1024, 'banger');
      const send = async (): Promise<void> => {
        for (let i = 0; i < 20; i += 1) await session.write(block);
        session.end();
      };
      const [output] = await Promise.all([Array.fromAsync(session.output()), send()]);
      const { createHash } = await import('node:crypto');
      const hash = createHash('sha256');
      for (let i = 0; i < 20; i += 1) hash.update(block);
      const text = output
        .flatMap((event) => (event.kind === 'stdout' ? event.chunk.toString() : []))
        .join('');
      assert.equal(text.split(' ')[0], hash.digest('hex'));
    });

    test('reports a command that could not be started', async () => {
      using session = await client.exec('web', { argv: ['no-such-program'] }, { signal });
      await assert.rejects(session.collect(), { code: 'COMMAND_NOT_FOUND' });
      using second = await client.exec('web', { argv: ['/etc/passwd'] }, { signal });
      await assert.rejects(second.collect(), { code: 'COMMAND_NOT_EXECUTABLE' });
    });

    test("throws the daemon's error when that does not switch protocols", async () => {
      addVm('old', { state: 'stopped' });
      await assert.rejects(client.exec('old', { argv: ['true'] }, { signal }), { code: 'VM_NOT_RUNNING' });
      daemon.answers.set('POST /v1/vms/web/exec', () => {});
    });

    test('hangs up when it is disposed of, so that the command is killed', async () => {
      const session = await client.exec('web', { argv: ['sleep', '60'] }, { signal });
      await until(() => daemon.guests.length === 1);
      session[Symbol.dispose]();
      session[Symbol.dispose]();
      await until(() => daemon.guests[0]?.isHungUp === true);
    });

    test('fails with DAEMON_LOST when the daemon dies under a command', async () => {
      using session = await client.exec('web', { argv: ['sleep', '60'] }, { signal });
      const ended = session.collect();
      await until(() => daemon.guests.length === 1);
      await daemon.die();
      await assert.rejects(ended, { code: 'DAEMON_LOST' });
    });

    test('ends with the signal, and drops later input', async () => {
      const controller = new AbortController();
      using session = await client.exec('web', { argv: ['cat'] }, { signal: controller.signal });
      const output = Array.fromAsync(session.output());
      await until(() => daemon.guests.length === 1);
      controller.abort(new Error('enough'));
      await assert.rejects(output, { message: 'enough' });
      await session.write(Buffer.from('late'));
      session.end();
      session.resize({ rows: 1, cols: 1 });
      session.sendSignal('SIGINT');
    });

    test('refuses to collect more than it may', async () => {
      using session = await client.exec('web', { argv: ['head', '-c', '200000', '/dev/zero'] }, { signal });
      await assert.rejects(session.collect({ maxBytes: 100_000 }), { code: 'COMMAND_OUTPUT_TOO_LONG' });
    });

    test('sends signals to the command', async () => {
      using session = await client.exec('web', { argv: ['sleep', '60'] }, { signal });
      const ended = session.collect();
      await until(() => daemon.guests.length === 1);
      session.sendSignal('SIGTERM');
      assert.deepEqual((await ended).exit, { signal: 'SIGTERM', number: 15 });
    });
  });

  test('follows a log until the signal aborts', async () => {
    addVm('web');
    const controller = new AbortController();
    daemon.answers.set('GET /v1/vms/web/logs', (request, response) => {
      assert.match(request.path, /\?kind=console&follow=1$/);
      response.write('line\n');
    });
    const log = client.vmLogs('web', { kind: 'console', isFollowed: true, signal: controller.signal });
    await assert.rejects(
      async () => {
        for await (const chunk of log) {
          assert.equal(String(chunk), 'line\n');
          controller.abort(new Error('enough'));
        }
      },
      { message: 'enough' },
    );
  });

  test('fails with DAEMON_LOST when a log breaks off', async () => {
    addVm('web');
    daemon.answers.set('GET /v1/vms/web/logs', (_request, response) => {
      response.write('line\n');
      setTimeout(() => response.destroy(), 5);
    });
    await assert.rejects(Array.fromAsync(client.vmLogs('web', { kind: 'vmm', signal })), {
      code: 'DAEMON_LOST',
    });
  });

  test("reads images, kernels, checks and the daemon's status", async () => {
    const image = {
      name: 'debian',
      id: 'sha256:1',
      arch: 'amd64',
      distro: 'debian',
      kernel: '6.1',
      sizeBytes: 1,
      diskBytes: 1,
      createdAt: 'now',
      usedBy: [],
    };
    daemon.answers.set('GET /v1/images/debian', (_r, response) => sendJson(response, 200, image));
    daemon.answers.set('POST /v1/images/debian/build', (_r, response) =>
      sendEvents(response, [{ event: 'result', value: image }]),
    );
    daemon.answers.set('DELETE /v1/images/debian', (_r, response) => sendJson(response, 200, {}));
    daemon.answers.set('GET /v1/doctor', (_r, response) =>
      sendJson(response, 200, { checks: [{ name: 'qemu', status: 'pass', message: 'ok' }] }),
    );
    daemon.answers.set('POST /v1/daemon/stop', (_r, response) => sendJson(response, 200, {}));
    assert.equal((await client.showImage('debian', { signal })).name, 'debian');
    assert.equal((await resultOf(client.buildImage('debian', { force: true }, { signal }))).name, 'debian');
    assert.deepEqual(daemon.requests.at(-1)?.body, { force: true });
    await client.deleteImage('debian', { signal });
    assert.deepEqual(await client.listKernels({ signal }), []);
    assert.equal((await client.doctor({ signal }))[0]?.status, 'pass');
    await client.stopDaemon({ signal });
  });

  for (const [route, ask] of [
    ['GET /v1/doctor', (options: Abortable) => client.doctor(options)],
    ['POST /v1/doctor/fix', (options: Abortable) => client.fixHost(options)],
  ] as const) {
    test(`waits minutes for ${route}, which may boot a kernel on a slow host, but not for ever`, async (context) => {
      context.mock.timers.enable({ apis: ['setTimeout'] });
      for (const isAnswered of [true, false]) {
        const asked = Promise.withResolvers<() => void>();
        daemon.answers.set(route, (_request, response) =>
          asked.resolve(() => sendJson(response, 200, { checks: [], fixed: [] })),
        );
        const answer = ask({ signal });
        answer.catch(() => {});
        const reply = await asked.promise;
        context.mock.timers.tick(2 * 60_000);
        if (isAnswered) {
          reply();
          await answer;
        } else {
          context.mock.timers.tick(3 * 60_000);
          await assert.rejects(answer, { code: 'WAIT_TIMEOUT' });
        }
      }
    });
  }
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import { ROUTES } from '../../../src/daemon/routes.ts';
import type { CreateVmRequest } from '../../../src/protocol/api/vm-requests.ts';
import { VERSION_HEADER } from '../../../src/protocol/api.ts';
import { buildLabel } from '../../../src/protocol/build-info.ts';
import type { ErrorBody } from '../../../src/protocol/events.ts';
import { createClient } from '../../../src/sdk/client.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch } from '../../helpers/scratch-repository.ts';
import { type DaemonLab, LAB_BUILD, openDaemonLab, shell } from '../../support/daemon-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

async function call(
  method: string,
  path: string,
  { body, headers }: { body?: string | Buffer; headers?: RequestOptions['headers'] } = {},
): Promise<{ response: IncomingMessage; text: string }> {
  const socketPath = lab.settings.paths.daemonSocket;
  const sent = request({ socketPath, method, path, ...(headers ? { headers } : {}) });
  sent.on('error', () => {});
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { response, text: await text(response) };
}

const errorOf = (answer: { text: string }): ErrorBody => JSON.parse(answer.text) as ErrorBody;

const BAD_REQUESTS: readonly [string, CreateVmRequest, string][] = [
  ['an upper-case name', { name: 'MyBox' }, 'VM_NAME_INVALID'],
  ['an empty name', { name: '' }, 'VM_NAME_INVALID'],
  ['no vCPU', { vcpuCount: 0 }, 'VM_SHAPE_INVALID'],
  ['more vCPUs than a VM may have', { vcpuCount: 65 }, 'VM_SHAPE_INVALID'],
  ['1 MiB of memory', { memoryMib: 1 }, 'VM_SHAPE_INVALID'],
  ['more memory than the host', { memoryMib: 8193 }, 'VM_SHAPE_INVALID'],
  ['a disk of 1 byte', { diskSizeBytes: 1 }, 'VM_SHAPE_INVALID'],
  ['a disk that is not a whole number of blocks', { diskSizeBytes: 2 ** 26 + 512 }, 'VM_SHAPE_INVALID'],
  ['a negative overlay', { systemOverlaySizeBytes: -1 }, 'VM_SHAPE_INVALID'],
  ['half a vCPU', { vcpuCount: 0.5 }, 'REQUEST_INVALID'],
  ['an unknown image', { image: 'no-such' }, 'IMAGE_NOT_FOUND'],
];

for (const [what, body, code] of BAD_REQUESTS) {
  test(`${what} is refused with ${code}, and nothing is left`, async () => {
    await assert.rejects(resultOf(lab.client.createVm(body, { signal })), { code });
    assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  });
}

test('all bad fields of a shape are named in one error', async () => {
  const answer = await call('POST', '/v1/vms', { body: JSON.stringify({ vcpuCount: 0, memoryMib: 1 }) });
  assert.equal(answer.response.statusCode, 400);
  assert.deepEqual(errorOf(answer).details, { fields: ['vcpu', 'memory'] });
});

test('a taken name is refused, and the VM that has it is not affected', async () => {
  const made = await resultOf(lab.client.createVm({ name: 'same', noStart: true }, { signal }));
  await assert.rejects(resultOf(lab.client.createVm({ name: 'same' }, { signal })), {
    code: 'VM_NAME_TAKEN',
  });
  assert.deepEqual(await lab.client.showVm('same', { signal }), made);
  await resultOf(lab.client.deleteVm('same', { signal }));
});

test('of two concurrent creations with the same name, one succeeds and the other leaves nothing', async () => {
  const both = await Promise.allSettled(
    [1, 2].map(() => resultOf(lab.client.createVm({ name: 'race' }, { signal }))),
  );
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const lost = both.find((one) => one.status === 'rejected');
  assert.ok(lost && isAppError(lost.reason, 'VM_NAME_TAKEN'));
  const { records, folders, processes } = await lab.leftovers();
  assert.deepEqual([records, folders.length, processes], [['race'], 1, 1]);
  await resultOf(lab.client.deleteVm('race', { signal }));
});

test('a VM that is named like the id of another does not hide that one', async () => {
  const first = await resultOf(lab.client.createVm({ name: 'first', noStart: true }, { signal }));
  const second = await resultOf(lab.client.createVm({ name: first.id, noStart: true }, { signal }));
  assert.equal((await resultOf(lab.client.deleteVm('first', { signal }))).id, first.id);
  assert.equal((await resultOf(lab.client.deleteVm(first.id, { signal }))).id, second.id);
});

test('every answer has the version of the daemon', async () => {
  for (const path of ['/v1/daemon', '/nowhere']) {
    const { response } = await call('GET', path);
    assert.equal(response.headers[VERSION_HEADER], buildLabel(LAB_BUILD));
  }
  let label = '';
  const { daemonSocket: socketPath } = lab.settings.paths;
  const client = createClient({
    socketPath,
    onDaemonVersion: (seen) => {
      label = seen;
    },
  });
  await assert.rejects(client.exec('nobody', shell('true'), { signal }), { code: 'VM_NOT_FOUND' });
  assert.equal(label, buildLabel(LAB_BUILD));
});

const UNKNOWN: readonly [string, string][] = [
  ['GET', '/'],
  ['GET', '//'],
  ['GET', '//v1/daemon'],
  ['GET', '/v1'],
  ['GET', '/v1/'],
  ['GET', '/v1/vms/'],
  ['GET', '/v1/vms/%zz'],
  ['GET', '/v1/vms/a/b'],
  ['PUT', '/v1/vms'],
  ['GET', '/v2/daemon'],
  ['GET', 'http://[/v1/daemon'],
];

for (const [method, path] of UNKNOWN) {
  test(`${method} ${path} is not a route: 404`, async () => {
    const answer = await call(method, path);
    assert.equal(answer.response.statusCode, 404);
    assert.equal(errorOf(answer).code, 'ROUTE_NOT_FOUND');
  });
}

for (const path of ['/v1/vms/%zz/exec', '/v1/vms/x/other', '/v1/daemon']) {
  test(`an upgrade of ${path} is refused with 404`, async () => {
    const answer = await call('POST', path, { headers: { connection: 'Upgrade', upgrade: 'banger-exec' } });
    assert.equal(answer.response.statusCode, 404);
    assert.equal(errorOf(answer).code, 'ROUTE_NOT_FOUND');
  });
}

for (const [what, body] of [
  ['no JSON', '{'],
  ['an array', '[]'],
  ['an unknown field', '{"nmae": "x"}'],
  ['a field of the wrong type', '{"vcpuCount": "2"}'],
  ['bytes that are not text', Buffer.from([0xff, 0xfe, 0])],
] as const) {
  test(`a body of ${what} is REQUEST_INVALID: 400`, async () => {
    const answer = await call('POST', '/v1/vms', { body });
    assert.equal(answer.response.statusCode, 400);
    assert.equal(errorOf(answer).code, 'REQUEST_INVALID');
  });
}

for (const [method, path] of [
  ['GET', '/v1/vms?all=2'],
  ['GET', '/v1/vms?al=1'],
  ['DELETE', '/v1/vms/x?resting=yes'],
  ['POST', '/v1/vms?detach=true'],
  ['GET', '/v1/vms/x/logs?kind=other'],
  ['GET', '/v1/vms/x/files'],
  ['PUT', '/v1/vms/x/files?path=relative'],
  ['GET', '/v1/daemon?x=1'],
] as const) {
  test(`${method} ${path} has a query that is REQUEST_INVALID: 400`, async () => {
    const answer = await call(method, path);
    assert.equal(answer.response.statusCode, 400);
    assert.equal(errorOf(answer).code, 'REQUEST_INVALID');
  });
}

test('the client gets an answer when its body is too long', async () => {
  const answer = await call('POST', '/v1/vms', { body: Buffer.alloc(2 ** 20 + 1, ' ') });
  assert.equal(answer.response.statusCode, 400);
  assert.equal(errorOf(answer).code, 'REQUEST_TOO_LONG');
});

test('a client that disconnects in the middle of its request is not reported as a bug', async () => {
  const socket = connect(lab.settings.paths.daemonSocket);
  await once(socket, 'connect');
  socket.write('POST /v1/vms HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
  await lab.client.daemonStatus({ signal });
  socket.destroy();
  let status = await lab.client.daemonStatus({ signal });
  while (status.activeRequestCount > 0) status = await lab.client.daemonStatus({ signal });
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error'),
    [],
  );
});

test('the OpenAPI document has every route', async () => {
  const document = JSON.parse((await call('GET', '/v1/openapi.json')).text) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const wanted = ROUTES.filter(({ path }) => path !== '/openapi.json').map(
    ({ method, path }) => `${method} /v1${path.replace(/:(\w+)/g, '{$1}')}`,
  );
  assert.deepEqual(listed.sort(), [...wanted, 'POST /v1/vms/{ref}/exec', 'POST /v1/vms/{ref}/tcp'].sort());
});

test("the daemon's state and the doctor's findings have the shape that clients expect", async () => {
  const status = await lab.client.daemonStatus({ signal });
  assert.equal(status.version, LAB_BUILD.version);
  assert.equal(status.socketPath, lab.settings.paths.daemonSocket);
  assert.deepEqual([status.activeRequestCount, status.runningVmCount], [0, 0]);
  assert.ok((status.idleExitInMs ?? 0) > 0);
  const checks = await lab.client.doctor({ signal });
  assert.ok(checks.length >= 8);
  assert.ok(checks.every(({ status: found }) => ['pass', 'warn', 'fail'].includes(found)));
});

test('a command gets its input, and is killed when the client hangs up', async () => {
  const vm = await resultOf(lab.client.createVm({ name: 'exec' }, { signal }));
  using echo = await lab.client.exec(vm.id, shell('cat; kill -9 $$'), { signal });
  await echo.write(Buffer.from('hello'));
  const { exit, stdout } = await echo.collect();
  assert.deepEqual([exit, stdout.toString()], [{ signal: 'SIGKILL', number: 9 }, 'hello']);
  await assert.rejects(
    async () => {
      using none = await lab.client.exec(vm.id, { ...shell(''), argv: ['no-such-program'] }, { signal });
      await none.collect();
    },
    { code: 'COMMAND_NOT_FOUND' },
  );
  const hung = await lab.client.exec(vm.id, shell('echo $$; exec sleep 300'), { signal });
  let pid = 0;
  for await (const step of hung.output()) {
    if (step.kind !== 'stdout') continue;
    pid = Number(step.chunk.toString());
    break;
  }
  assert.ok(existsSync(`/proc/${pid}`));
  hung[Symbol.dispose]();
  await poll(() => !existsSync(`/proc/${pid}`) || undefined, {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'the command to be killed',
    signal,
  });
  await resultOf(lab.client.deleteVm('exec', { signal }));
});

test('a working tree is copied into the guest and recorded', async () => {
  using scratch = makeScratch();
  const repo = scratch.init('repo');
  const guestPath = join(lab.dir, 'guest', 'repo');
  scratch.git(repo, 'commit', '-q', '--allow-empty', '-m', 'first');
  await resultOf(lab.client.createVm({ name: 'work' }, { signal }));
  const prepared = await resultOf(lab.client.prepareWorkspace('work', { path: repo, guestPath }, { signal }));
  assert.equal(prepared.guestPath, guestPath);
  const head = scratch.git(repo, 'rev-parse', 'HEAD').toString().trim();
  assert.equal(scratch.git(guestPath, 'rev-parse', 'HEAD').toString().trim(), head);
  assert.deepEqual((await lab.client.showVm('work', { signal })).workspace, {
    guestPath,
    sourcePath: repo,
    headCommit: head,
    sentCommit: scratch.git(guestPath, 'rev-parse', 'refs/banger/sent').toString().trim(),
  });
  for (const bad of ['/', '/a/../b']) {
    const wrong = resultOf(lab.client.prepareWorkspace('work', { path: repo, guestPath: bad }, { signal }));
    await assert.rejects(wrong, { code: 'REQUEST_INVALID' });
  }
  await assert.rejects(lab.client.inspectWorkspace({ path: '/proc' }, { signal }), {
    code: 'WORKSPACE_NOT_GIT',
  });
  await resultOf(lab.client.deleteVm('work', { signal }));
});

test('an answer that is read in pieces is complete', async () => {
  const socketPath = lab.settings.paths.daemonSocket;
  const sent = request({ socketPath, path: '/v1/openapi.json' }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal((await buffer(response)).length, Number(response.headers['content-length']));
});

test('a command whose guest is lost ends with GUEST_LOST, not with DAEMON_LOST', async () => {
  const { client } = lab;
  const vm = await resultOf(client.createVm({ name: 'dying' }, { signal }));
  using session = await client.exec('dying', shell('echo up; sleep 60'), { signal });
  const output = session.output();
  assert.equal(String((await output.next()).value?.kind), 'stdout');
  process.kill(vm.runtime?.pid ?? 0, 'SIGKILL');
  await assert.rejects(output.next(), { code: 'GUEST_LOST' });
  assert.equal((await client.daemonStatus({ signal })).pid, process.pid);
});

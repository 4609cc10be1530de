import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../test/support/cli/cli-harness.ts';
import { fakeVm, sendEvents } from '../../../test/support/fakes/fake-daemon.ts';
import type { Vm } from '../../protocol/vm.ts';

let lab: CliLab;

beforeEach(async () => {
  lab = await openCliLab();
});
afterEach(() => lab[Symbol.asyncDispose]());

const bodies = (path: RegExp): unknown[] =>
  lab.daemon.requests
    .filter((request) => path.test(`${request.method} ${request.path}`))
    .map(({ body }) => body);

describe('several VMs', () => {
  test('are looked up in one list, by name or id, and each is handled once', async () => {
    const web = lab.addVm('web', { id: 'aa1' });
    lab.addVm('db', { id: 'bb2' });
    const { status, stdout } = await lab.run(['vm', 'restart', 'db', 'web', web.id, 'aa', 'db']);
    assert.deepEqual([status, stdout], [0, 'db: running\nweb: running\n']);
    assert.deepEqual(lab.daemon.requests.map(({ method, path }) => `${method} ${path}`).sort(), [
      'GET /v1/vms?all=1',
      'POST /v1/vms/aa1/restart',
      'POST /v1/vms/bb2/restart',
    ]);
  });

  test('are handled concurrently, and reported in the order they were named', async () => {
    const [web, db] = [lab.addVm('web'), lab.addVm('db')];
    const order: string[] = [];
    let answerWeb: (() => void) | undefined;
    for (const vm of [web, db]) {
      lab.daemon.answers.set(`POST /v1/vms/${vm.id}/stop`, (_request, response) => {
        order.push(vm.name);
        const answer = (): void =>
          sendEvents(response, [{ event: 'result', value: { ...vm, state: 'stopped' } }]);
        if (vm === web) answerWeb = answer;
        else {
          answer();
          answerWeb?.();
        }
      });
    }
    const { stdout } = await lab.run(['vm', 'stop', 'web', 'db']);
    assert.deepEqual(order, ['web', 'db']);
    assert.equal(stdout, 'web: stopped\ndb: stopped\n');
  });

  test('are all tried even if some fail: exit 1, whatever the failures are', async () => {
    lab.addVm('web', { id: 'aa1' });
    lab.addVm('db', { id: 'aa2' });
    const { status, stdout, stderr } = await lab.run(['vm', 'stop', 'No/Name', 'aa', 'nobody', 'db']);
    assert.deepEqual([status, stdout], [1, 'db: stopped\n']);
    assert.match(
      stderr,
      /"No\/Name" as a VM.*\n.*\n.*"aa" is: 2 VMs have ids that start with it\n.*use one of web \(aa1\), db \(aa2\)\n.*"nobody"/,
    );
  });

  test('are printed as one JSON array, with failures in their place', async () => {
    const web = lab.addVm('web');
    const { status, stdout, stderr } = await lab.run(['vm', 'stop', '--json', 'nobody', 'web']);
    assert.deepEqual([status, stderr], [1, '']);
    assert.deepEqual(JSON.parse(stdout), [
      {
        ref: 'nobody',
        error: {
          code: 'VM_NOT_FOUND',
          message: 'Cannot find a vm "nobody"',
          hint: 'banger vm list --all',
          details: { ref: 'nobody' },
        },
      },
      { ref: 'web', outcome: 'stopped', vm: { ...web, state: 'stopped' } },
    ]);
  });

  test('have their own spans in the JSON with --timings, and then no table on stderr', async () => {
    for (const vm of [lab.addVm('web'), lab.addVm('db')]) {
      lab.daemon.answers.set(`POST /v1/vms/${vm.id}/stop`, (_request, response) =>
        sendEvents(response, [
          { event: 'progress', stage: vm.name === 'web' ? 'sync' : 'power off', elapsedMs: 1 },
          { event: 'result', value: { ...vm, state: 'stopped' } },
        ]),
      );
    }
    const { stdout, stderr } = await lab.run(['vm', 'stop', '--json', '--timings', 'web', 'db']);
    assert.equal(stderr, '', stdout);
    const results = JSON.parse(stdout) as { ref: string; spans: { stage: string; ms: number }[] }[];
    assert.deepEqual(
      results.map(({ spans }) => spans.map(({ stage }) => stage)),
      [
        ['cli', 'daemon', 'sync'],
        ['cli', 'daemon', 'power off'],
      ],
    );
  });

  test('if there is only one, exit with the status of its failure, and print an array, too', async () => {
    assert.equal((await lab.run(['vm', 'stop', 'nobody'])).status, 1);
    const { status, stdout } = await lab.run(['vm', 'stop', '--json', 'No/Name']);
    assert.equal(status, 2);
    assert.equal((JSON.parse(stdout) as { ref: string }[])[0]?.ref, 'No/Name');
  });

  test('are handled without output with -q, except for warnings', async () => {
    const web = lab.addVm('web');
    lab.daemon.answers.set(`POST /v1/vms/web/stop`, (_request, response) =>
      sendEvents(response, [
        { event: 'notice', message: 'data may be lost' },
        { event: 'result', value: { ...web, state: 'stopped' } },
      ]),
    );
    assert.deepEqual(await lab.run(['vm', 'stop', '-q', 'web']), {
      status: 0,
      stdout: '',
      stderr: 'data may be lost\n',
    });
  });
});

test('a notice about this host is shown once until it boots again, and each time with -v', async () => {
  const web = lab.addVm('web');
  const message = 'KVM is not usable here: using emulation';
  lab.daemon.answers.set('POST /v1/vms/web/start', (_request, response) =>
    sendEvents(response, [
      { event: 'notice', message, isOncePerBoot: true },
      { event: 'notice', message: 'something else' },
      { event: 'result', value: { ...web, state: 'running' } },
    ]),
  );
  const stderr = async (...flags: string[]) => (await lab.run(['vm', 'start', ...flags, 'web'])).stderr;
  assert.equal(await stderr(), `${message}\nsomething else\n`);
  assert.equal(await stderr(), 'something else\n');
  assert.equal(await stderr('-q'), 'something else\n');
  assert.equal(await stderr('-v'), `${message}\nsomething else\n`);
});

test('vm kill sends the named signal, and refuses an unknown one before it does anything', async () => {
  lab.addVm('web');
  assert.equal((await lab.run(['vm', 'kill', 'web'])).stdout, 'web: stopped\n');
  for (const text of ['kill', 'SIGKILL']) await lab.run(['vm', 'kill', '--signal', text, 'web']);
  assert.deepEqual(bodies(/kill$/), [{}, { signal: 'SIGKILL' }, { signal: 'SIGKILL' }]);
  const refused = await lab.run(['vm', 'kill', '--signal', 'STOP', 'web']);
  assert.deepEqual([refused.status, refused.stdout], [2, '']);
  assert.match(
    refused.stderr,
    /"STOP" for --signal.*\n.*use one of TERM, KILL, INT, HUP, QUIT, USR1, USR2, ABRT/,
  );
  assert.equal(bodies(/kill$/).length, 3);
});

test('vm set sends the given fields and prints the shape; without any it is refused', async () => {
  lab.addVm('web', { state: 'stopped' });
  const { status, stdout } = await lab.run([
    'vm',
    'set',
    '--vcpu',
    '4',
    '--memory',
    '512',
    '--disk-size',
    '20G',
    'web',
  ]);
  assert.deepEqual([status, stdout], [0, 'web: 4 vcpu | 512 MiB | 20G disk\n']);
  await lab.run(['vm', 'set', '--memory', '1024', 'web']);
  assert.deepEqual(bodies(/set$/), [
    { vcpuCount: 4, memoryMib: 512, diskSizeBytes: 20 * 2 ** 30 },
    { memoryMib: 1024 },
  ]);
  const nothing = await lab.run(['vm', 'set', 'web']);
  assert.deepEqual([nothing.status, nothing.stdout], [2, '']);
  assert.match(
    nothing.stderr,
    /no change was requested\n.*--vcpu, --memory, --disk-size, --nat, --no-nat, --allow, --disallow, --allow-all, --secret, --remove-secret, --expose-host or --unexpose-host/,
  );
});

test('vm set switches NAT on and off, and the last option wins', async () => {
  lab.addVm('web');
  assert.match((await lab.run(['vm', 'set', '--nat', 'web'])).stdout, / disk \| nat\n$/);
  assert.match((await lab.run(['vm', 'set', '--no-nat', 'web'])).stdout, / disk\n$/);
  await lab.run(['vm', 'set', '--nat', '--no-nat', '--vcpu', '2', 'web']);
  assert.deepEqual(bodies(/set$/), [{ nat: true }, { nat: false }, { vcpuCount: 2, nat: false }]);
});

test('vm rename prints the new name, and refuses an invalid one', async () => {
  lab.addVm('web');
  assert.equal((await lab.run(['vm', 'rename', 'web', 'shop'])).stdout, 'web: renamed to shop\n');
  assert.deepEqual(bodies(/rename$/), [{ name: 'shop' }]);
  assert.equal((await lab.run(['vm', 'rename', 'shop', 'web', '-q'])).stdout, '');
  const { status, stderr } = await lab.run(['vm', 'rename', 'web', 'Shop']);
  assert.equal(status, 2);
  assert.match(stderr, /invalid character 'S'/);
  assert.equal((await lab.run(['vm', 'rename', 'web'])).status, 2);
});

test('vm wait sends the condition and the timeout', async () => {
  lab.addVm('web');
  assert.equal((await lab.run(['vm', 'wait', 'web'])).stdout, 'web: stopped\n');
  assert.equal(
    (await lab.run(['vm', 'wait', '--until', 'ready', '--timeout', '1m30s', 'web'])).stdout,
    'web: ready\n',
  );
  assert.deepEqual(bodies(/wait$/), [{ until: 'stopped' }, { until: 'ready', timeoutMs: 90_000 }]);
  const { status, stderr } = await lab.run(['vm', 'wait', '--until', 'happy', '--timeout', '0', 'web']);
  assert.equal(status, 2);
  assert.match(
    stderr,
    /2 problems\n.*"happy" for --until.*running, ready, stopped, deleted.*\n.*"0" for --timeout/,
  );
});

describe('vm show', () => {
  const web = (): Vm => lab.addVm('web', { workspace: { guestPath: '/root/repo', sourcePath: '/r' } });

  test('prints JSON, a text, or one field', async () => {
    const vm = web();
    const { stdout } = await lab.run(['vm', 'show', 'web']);
    assert.deepEqual(JSON.parse(stdout), vm);
    for (const flags of [['--json'], ['--format', 'json']]) {
      assert.equal((await lab.run(['vm', 'show', 'web', ...flags])).stdout, stdout);
    }
    const text = (await lab.run(['vm', 'show', 'web', '--format', 'text'])).stdout;
    assert.match(text, /^name +web\nid +\S+\nstate +running\n/);
    assert.match(text, /^workspace +\/root\/repo \(from \/r\)$/m);
    for (const [field, shown] of [
      ['.state', 'running\n'],
      ['.shape.memoryMib', '2048\n'],
      ['.ephemeral', 'false\n'],
      ['.lastError.code', '\n'],
      ['.workspace.headCommit', '\n'],
    ] as const) {
      assert.equal((await lab.run(['vm', 'show', 'web', '--format', field])).stdout, shown, field);
    }
    assert.deepEqual(
      JSON.parse((await lab.run(['vm', 'show', 'web', '--format', '.shape'])).stdout),
      vm.shape,
    );
  });

  for (const [format, hint] of [
    ['yaml', /json, text, or the path of a field/],
    ['{{.State}}', /json, text, or the path of a field/],
    ['.', /json, text, or the path of a field/],
    ['.nope', /the fields are \.id, \.state/],
    ['.shape.nope', /the fields are \.shape\.vcpuCount/],
    ['.state.nope', /\.state has no fields/],
    ['.__proto__', /./],
  ] as const) {
    test(`refuses the format ${format}`, async () => {
      web();
      const { status, stdout, stderr } = await lab.run(['vm', 'show', 'web', '--format', format]);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, hint);
    });
  }
});

test('vm list --latest shows the newest VM, whether it runs or not, and vm ps equals ps', async () => {
  lab.addVm('old', { createdAt: '2026-01-01T00:00:00.000Z' });
  const newest = lab.addVm('new', { state: 'stopped', createdAt: '2026-01-03T00:00:00.000Z' });
  lab.addVm('mid', { createdAt: '2026-01-02T00:00:00.000Z' });
  assert.equal((await lab.run(['vm', 'list', '--latest', '-q'])).stdout, `${newest.id}\n`);
  assert.deepEqual(JSON.parse((await lab.run(['ps', '--latest', '--json'])).stdout), [newest]);
  assert.equal((await lab.run(['vm', 'ps'])).stdout, (await lab.run(['ps'])).stdout);
  assert.equal((await lab.run(['ls', '-a'])).stdout, (await lab.run(['vm', 'list', '--all'])).stdout);
  lab.daemon.vms.clear();
  assert.equal((await lab.run(['vm', 'list', '--latest', '-q'])).stdout, '');
});

test('vm create -q prints only the id', async () => {
  const { stdout, stderr } = await lab.run(['vm', 'create', '-q', '--name', 'web']);
  assert.deepEqual([stdout, stderr], [`${fakeVm({ name: 'web' }).id}\n`, '']);
  const detached = await lab.run(['vm', 'create', '-dq', '--name', 'web']);
  assert.deepEqual([detached.stdout, detached.stderr], ['op-0000cafe\n', '']);
});

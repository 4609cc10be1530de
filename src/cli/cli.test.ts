import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, FakeOutput, FakeSignals, openCliLab } from '../../test/support/cli/cli-harness.ts';
import { sendJson } from '../../test/support/fakes/fake-daemon.ts';
import { until } from '../../test/support/until.ts';
import type { Vm } from '../protocol/vm.ts';

describe('banger', () => {
  let lab: CliLab;
  beforeEach(async () => {
    lab = await openCliLab();
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  test('vm list and ps print a table, all with --all, ids with -q, records with --json', async () => {
    const web = lab.addVm('web', { workspace: { guestPath: '/root/repo', sourcePath: '/r' } });
    const old = lab.addVm('old', { state: 'stopped' });
    const { stdout } = await lab.run(['vm', 'list']);
    assert.match(
      stdout,
      /^ID +NAME +STATE +IP +IMAGE +VCPU +MEM +DISK +WORKSPACE +CREATED\n\S{12} +web +running +127\.77\.1\.2 +debian-bookworm +2 +2048 MiB +8G +\/root\/repo +\d+ days ago\n$/,
    );
    assert.equal((await lab.run(['ps'])).stdout, stdout);
    assert.match((await lab.run(['vm', 'list', '--all'])).stdout, / web .*\n.* old +stopped /);
    assert.equal((await lab.run(['vm', 'list', '-aq'])).stdout, `${web.id}\n${old.id}\n`);
    assert.deepEqual(JSON.parse((await lab.run(['ps', '--json'])).stdout), [web]);
  });

  test('vm list cuts its lines to a terminal', async () => {
    lab.addVm('web');
    const { stdout } = await lab.run(['vm', 'list'], {
      stdout: new FakeOutput({ isTTY: true, columns: 40 }),
    });
    for (const line of stdout.split('\n')) assert.ok(line.length <= 40, line);
  });

  test('vm show prints the record as indented JSON', async () => {
    lab.addVm('web');
    const { status, stdout } = await lab.run(['vm', 'show', 'web']);
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}"state": "running",$/m);
  });

  test('a VM that is not found exits with 1, with the hint, or as JSON', async () => {
    assert.deepEqual(await lab.run(['vm', 'show', 'nope']), {
      status: 1,
      stdout: '',
      stderr: 'banger: Cannot find a vm "nope"\n  hint: banger vm list --all\n',
    });
    assert.equal((await lab.run(['vm', 'exec', 'nope', '--', 'true'])).status, 125);
    assert.equal((await lab.run(['vm', 'show', 'No/Name'])).status, 2);
  });

  test('vm create prints the spec, that the VM is ready, and a summary', async () => {
    const { status, stdout, stderr } = await lab.run(['vm', 'create', '--name', 'web']);
    assert.equal(status, 0);
    assert.match(stdout, /^name +web\nid +\S+\nstate +running\n/);
    assert.match(stderr, /^spec: 2 vcpu \| 2048 MiB \| 8G disk\n\[vm create\] ready in \d+\.\ds\n$/);
    const created = await lab.run(['vm', 'create', '--name', 'cold', '--no-start', '--json']);
    assert.equal((JSON.parse(created.stdout) as Vm).state, 'created');
    assert.match(created.stderr, /\[vm create\] created in /);
  });

  test('steps are shown with -v, and not in a pipe', async () => {
    const { stderr } = await lab.run(['vm', 'create', '-v']);
    assert.match(stderr, /^spec: .*\n\[vm create\] boot: waiting for the guest\n\[vm create\] ready in /);
  });

  test('steps overwrite one line on a terminal, and are separate lines with BANGER_NO_PROGRESS', async () => {
    const terminal = new FakeOutput({ isTTY: true });
    await lab.run(['vm', 'create'], { stderr: terminal });
    const erase = '\r\u001b[K';
    const step = '\u001b[2m[vm create] boot: waiting for the guest\u001b[22m';
    assert.ok(terminal.text.includes(`${erase}${step}${erase}`), terminal.text);
    const plain = new FakeOutput({ isTTY: true });
    await lab.run(['vm', 'create'], { stderr: plain, env: { BANGER_NO_PROGRESS: '1', NO_COLOR: '1' } });
    assert.match(
      plain.text,
      /^spec: .*\n\[vm create\] boot: waiting for the guest\n\[vm create\] ready in \d+\.\ds\n$/,
    );
  });

  test('vm start, stop and delete handle several VMs concurrently, each once, and report them in the order they were named', async () => {
    const web = lab.addVm('web');
    lab.addVm('db');
    const { status, stdout } = await lab.run(['vm', 'stop', 'db', 'web', web.id, 'db']);
    assert.deepEqual([status, stdout], [0, 'db: stopped\nweb: stopped\n']);
    assert.equal(lab.daemon.requests.filter(({ method }) => method === 'POST').length, 2);
    assert.equal((await lab.run(['vm', 'start', 'web'])).stdout, 'web: running\n');
  });

  test('vm delete continues when one VM fails, and then exits with 1', async () => {
    lab.addVm('web');
    const { status, stdout, stderr } = await lab.run(['vm', 'delete', 'nope', 'web']);
    assert.deepEqual([status, stdout], [1, 'web: deleted\n']);
    assert.match(stderr, /Cannot find a vm "nope"/);
    assert.equal(lab.daemon.vms.size, 0);
  });

  test('vm exec --json prints how the command ended to stdout, and all its output to stderr', async () => {
    const vm = lab.addVm('web');
    const argv = ['vm', 'exec', '--json', '--timings', 'web', '--', 'sh', '-c', 'echo out; exit 3'];
    const { status, stdout, stderr } = await lab.run(argv);
    assert.deepEqual([status, stderr], [3, 'out\n']);
    const { spans, ...report } = JSON.parse(stdout) as { spans: { stage: string }[] };
    assert.deepEqual(report, { vm, exit: { code: 3 }, exitStatus: 3 });
    assert.deepEqual(
      spans.map(({ stage }) => stage),
      ['cli', 'daemon', 'command'],
    );
    const refused = await lab.run(['vm', 'exec', '--json', '--tty', 'web', '--', 'true']);
    assert.equal(refused.status, 2);
    assert.match(refused.stdout, /--json with --tty/);
  });

  test('vm exec runs in the workspace of the VM, or in --workdir', async () => {
    lab.addVm('web', { workspace: { guestPath: '/root/repo', sourcePath: '/r' } });
    await lab.run(['vm', 'exec', 'web', '--', 'true']);
    await lab.run(['vm', 'exec', '-w', '/srv', '-e', 'A=1', '-e', 'HOME', 'web', '--', 'true']);
    await lab.run(['vm', 'exec', '-u', 'nobody', 'web', '--', 'true']);
    const [first, second, third] = lab.daemon.guests.map(({ start }) => start);
    assert.equal(first?.cwd, '/root/repo');
    assert.deepEqual([second?.cwd, second?.env], ['/srv', { A: '1', HOME: lab.home }]);
    assert.deepEqual([third?.cwd, third?.user], [undefined, 'nobody']);
  });

  test('vm exec fails with 125 when the VM does not run', async () => {
    lab.addVm('old', { state: 'stopped' });
    const { status, stderr } = await lab.run(['vm', 'exec', 'old', '--', 'true']);
    assert.deepEqual([status, stderr], [125, 'banger: vm "old" is not running (state: stopped)\n']);
  });

  test('vm logs prints the requested log, and follows it until Ctrl-C', async () => {
    lab.addVm('web');
    lab.daemon.answers.set('GET /v1/vms/web/logs', ({ path }, response) => {
      response.write(`${path.split('?')[1]}\n\u001b[2J`);
      if (!path.includes('follow')) response.end();
    });
    assert.equal((await lab.run(['vm', 'logs', 'web'])).stdout, 'kind=console\n\u001b[2J');
    assert.equal((await lab.run(['vm', 'logs', '--vmm', 'web'])).stdout, 'kind=vmm\n\u001b[2J');
    const terminal = new FakeOutput({ isTTY: true });
    const signals = new FakeSignals();
    const following = lab.run(['vm', 'logs', '-f', 'web'], { stdout: terminal, signals });
    await until(() => terminal.text.includes('kind=console&follow=1\n'));
    signals.send('SIGINT');
    assert.equal((await following).status, 130);
    assert.ok(!terminal.text.includes('\u001b[2J'));
  });

  test('images and kernels are printed as tables and as JSON', async () => {
    const image = {
      name: 'debian-bookworm',
      id: 'sha256:1',
      arch: 'amd64' as const,
      distro: 'debian',
      kernel: 'debian-6.1',
      sizeBytes: 8 * 2 ** 30,
      diskBytes: 390 * 2 ** 20,
      createdAt: new Date().toISOString(),
      usedBy: ['a'],
    };
    const kernel = {
      name: 'debian-6.1',
      release: '6.1.0',
      arch: 'amd64' as const,
      diskBytes: 2 ** 20,
      createdAt: 'now',
    };
    lab.daemon.images.push(image);
    lab.daemon.kernels.push(kernel);
    assert.match(
      (await lab.run(['image', 'list'])).stdout,
      /\ndebian-bookworm +amd64 +debian-6\.1 +8G +390M +1 +0 seconds ago\n$/,
    );
    assert.deepEqual(JSON.parse((await lab.run(['image', 'list', '--json'])).stdout), [image]);
    assert.match((await lab.run(['kernel', 'list'])).stdout, /\ndebian-6\.1 +6\.1\.0 +amd64 +1M +now\n$/);
  });

  test('image build builds the default or the named image', async () => {
    const seen: string[] = [];
    for (const name of ['debian-bookworm', 'other']) {
      lab.daemon.answers.set(`POST /v1/images/${name}/build`, (request, response) => {
        seen.push(`${name} ${JSON.stringify(request.body)}`);
        sendJson(response, 409, {
          code: 'IMAGE_TOOL_MISSING',
          message: 'no mmdebstrap',
          hint: 'apt install mmdebstrap',
        });
      });
    }
    const { status, stderr } = await lab.run(['image', 'build']);
    assert.deepEqual([status, stderr], [2, 'banger: no mmdebstrap\n  hint: apt install mmdebstrap\n']);
    await lab.run(['image', 'build', '--force', 'other']);
    assert.deepEqual(seen, ['debian-bookworm {}', 'other {"force":true}']);
  });

  test('doctor exits with 1 when a check fails, and with 0 for warnings', async () => {
    const check = (status: string): void => {
      lab.daemon.answers.set('GET /v1/doctor', (_request, response) =>
        sendJson(response, 200, {
          checks: [{ name: 'qemu', status, message: 'm', fix: 'apt install qemu' }],
        }),
      );
    };
    for (const [state, status] of [
      ['pass', 0],
      ['warn', 0],
      ['fail', 1],
    ] as const) {
      check(state);
      const result = await lab.run(['doctor']);
      assert.equal(result.status, status);
      assert.match(
        result.stdout,
        new RegExp(`^pass {2}banger version {2}dev .*\n${state} {2}qemu {12}m\n {22}fix: apt install qemu\n`),
      );
      const json = await lab.run(['doctor', '--json']);
      assert.equal(json.status, status);
      const { checks } = JSON.parse(json.stdout) as { checks: { name: string }[] };
      assert.deepEqual(
        checks.map(({ name }) => name),
        ['banger version', 'qemu'],
      );
    }
  });

  test('doctor --fix removes stale files, and says which', async () => {
    lab.daemon.answers.set('POST /v1/doctor/fix', (_request, response) =>
      sendJson(response, 200, { checks: [], fixed: ['/var/old'] }),
    );
    const result = await lab.run(['doctor', '--fix']);
    assert.match(result.stdout, /^removed \/var\/old\npass {2}banger version/);
    const json = JSON.parse((await lab.run(['doctor', '--fix', '--json'])).stdout) as object;
    assert.deepEqual(Object.keys(json), ['checks', 'fixed']);
  });

  test('doctor warns of a daemon of another build', async () => {
    lab.daemon.answers.set('GET /v1/doctor', (_request, response) => sendJson(response, 200, { checks: [] }));
    lab.daemon.versionLabel = 'v9+abc.0';
    const { status, stdout } = await lab.run(['doctor']);
    assert.equal(status, 0);
    assert.match(stdout, /^warn {2}banger version .* the daemon is build v9\+abc\.0\n.*banger daemon stop\n/);
  });

  test('every command warns once of a daemon of another build', async () => {
    lab.addVm('web');
    lab.daemon.versionLabel = 'v9+abc';
    const { status, stderr } = await lab.run(['vm', 'exec', 'web', '--', 'true']);
    assert.equal(status, 0);
    assert.match(
      stderr,
      /^warning: the daemon is build v9\+abc, this command is build dev\S*; to run the same build: banger daemon stop\n$/,
    );
  });

  test('a malformed answer is an error, not a crash', async () => {
    for (const body of ['', 'hello', '[]', '{"vms":[1]}', '{"vms":{}}']) {
      lab.daemon.answers.set('GET /v1/vms', (_request, response) => void response.end(body));
      const { status, stderr } = await lab.run(['vm', 'list']);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^banger: Cannot understand the daemon's answer to GET \/v1\/vms: .*\n {2}hint: .*\n$/,
      );
    }
  });

  test('a command whose reader is gone ends without a message', async () => {
    lab.addVm('web');
    const closed = (): Writable =>
      new Writable({
        write: (_chunk, _encoding, done) => done(Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
      });
    const listed = await lab.run(['vm', 'list'], { stdout: closed() });
    assert.deepEqual([listed.status, listed.stderr], [0, '']);
    const ran = await lab.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'while :; do echo y; done'], {
      stdout: closed(),
    });
    assert.deepEqual([ran.status, ran.stderr], [141, '']);
    await until(() => lab.daemon.guests[0]?.isHungUp === true);
  });

  test('output waits for a slow reader, and arrives complete', async () => {
    lab.addVm('web');
    let bytes = 0;
    let mostBuffered = 0;
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        mostBuffered = Math.max(mostBuffered, this.writableLength);
        setImmediate(done);
      },
    });
    await lab.run(['vm', 'exec', 'web', '--', 'head', '-c', '20000000', '/dev/zero'], { stdout: slow });
    assert.equal(bytes, 20_000_000);
    assert.ok(mostBuffered < 512 * 1024, `${mostBuffered} bytes were buffered`);
  });

  test('version prints three lines, one line, or JSON', async () => {
    assert.equal((await lab.run(['version'])).stdout, 'version: dev\ncommit: unknown\nbuilt_at: unknown\n');
    assert.equal((await lab.run(['--version'])).stdout, 'banger dev (commit unknown, built unknown)\n');
    assert.deepEqual(JSON.parse((await lab.run(['version', '--json'])).stdout), {
      version: 'dev',
      commit: 'unknown',
      builtAt: 'unknown',
    });
    assert.deepEqual(lab.daemon.requests, []);
  });
});

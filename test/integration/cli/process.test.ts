import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { type BundledCli, bundleCli } from '../../support/cli/bundled-cli.ts';
import { type CliLab, openCliLab } from '../../support/cli/cli-harness.ts';
import { until } from '../../support/until.ts';

describe('the program banger', () => {
  let lab: CliLab;
  let cli: BundledCli;
  const children = new Set<ChildProcess>();

  before(async () => {
    cli = await bundleCli();
  });
  after(() => cli[Symbol.dispose]());
  beforeEach(async () => {
    lab = await openCliLab();
    lab.addVm('web');
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    await lab[Symbol.asyncDispose]();
  });

  const start = (argv: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [cli.path, ...argv], { env: lab.env, stdio: 'pipe' });
    children.add(child);
    return child;
  };
  /** Runs a bash line with `banger` in it. */
  const bash = async (line: string): Promise<{ status: number | null; stdout: string; stderr: string }> => {
    const banger = `"${process.execPath}" "${cli.path}"`;
    const child = spawn('bash', ['-c', line.replaceAll('banger', banger)], { env: lab.env, stdio: 'pipe' });
    children.add(child);
    child.stdin.end();
    const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) =>
      Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>)).toString(),
    );
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { status, stdout: (await stdout) ?? '', stderr: (await stderr) ?? '' };
  };
  const exitOf = (child: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => child.once('exit', resolve));

  test('a crash exits with 125 in commands that run a guest command, and with 1 elsewhere', async () => {
    const crash = join(lab.home, 'crash.cjs');
    // Once the program handles such errors, and has begun with its command.
    const isReady = 'process.listenerCount("uncaughtException") > 0';
    const look = `if (${isReady}) { clearInterval(timer); setTimeout(() => { throw new Error("oh"); }, 500); }`;
    writeFileSync(crash, `const timer = setInterval(() => { ${look} }, 20);`);
    const crashing = `NODE_OPTIONS=--require=${crash} banger`;
    const inGuest = await bash(`${crashing} vm exec web -- sleep 60`);
    assert.deepEqual([inGuest.status, inGuest.stderr], [125, 'banger: this is a bug: oh\n']);
    const following = await bash(`${crashing} vm stats --watch web`);
    assert.equal(following.status, 1, following.stderr);
  });

  test('passes 200 MB of output on completely', async () => {
    const bytes = 200_000_000;
    const child = start(['vm', 'exec', 'web', '--', 'head', '-c', String(bytes), '/dev/zero']);
    const hash = createHash('sha256');
    let seen = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      hash.update(chunk);
      seen += chunk.length;
    }
    assert.equal(seen, bytes);
    const expected = createHash('sha256');
    const block = Buffer.alloc(1_000_000);
    for (let i = 0; i < 200; i += 1) expected.update(block);
    assert.equal(hash.digest('hex'), expected.digest('hex'));
  });

  test('keeps its memory small while its reader is slow', async () => {
    const child = start(['vm', 'exec', 'web', '--', 'head', '-c', '500000000', '/dev/zero']);
    await new Promise((resolve) => child.stdout?.once('readable', resolve));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { readFileSync } = await import('node:fs');
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    const peakKib = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
    assert.ok(peakKib < 200 * 1024, `${peakKib} KiB`);
    child.kill('SIGKILL');
  });

  test('computes the same checksum of 2,000,000 lines as the host', async () => {
    const { status, stdout } = await bash(
      'seq 1 2000000 | banger vm exec web -- sha256sum; seq 1 2000000 | sha256sum',
    );
    assert.equal(status, 0);
    const [guest, host] = stdout.trim().split('\n');
    assert.equal(guest, host);
  });

  test('ends cleanly when its reader goes away', async () => {
    const { stdout, stderr } = await bash(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: bash expands it
      'banger vm exec web -- sh -c "while :; do echo y; done" | head -n 2; echo "${PIPESTATUS[@]}"; banger vm list | true; echo "${PIPESTATUS[0]}"',
    );
    assert.equal(stdout, 'y\ny\n141 0\n0\n');
    assert.equal(stderr, '');
    await until(() => lab.daemon.guests[0]?.isHungUp === true);
  });

  test('vm run ends cleanly when its reader goes away, and deletes its VM', async () => {
    const { stdout, stderr } = await bash(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: bash expands it
      'banger vm run --rm -- sh -c "while :; do echo y; done" | head -n 2; echo "${PIPESTATUS[@]}"',
    );
    assert.equal(stdout, 'y\ny\n141 0\n');
    assert.doesNotMatch(stderr, /banger:|warning/);
    await until(() => lab.daemon.vms.size === 1);
  });

  test('ends with the command even if stdin stays open', async () => {
    const child = start(['vm', 'exec', 'web', '--', 'sh', '-c', 'exit 4']);
    assert.equal(await exitOf(child), 4);
  });

  test('passes the environment and the folder to the command byte for byte', async () => {
    const options = [
      "-e LONG=$'a\\xff' --env=SAME=$'a\\xfe' -eLAST=$'old\\xff' -e LAST=$'new\\xe9'",
      "-e PLAIN=é -e EMPTY= -e OURS -w $'/tmp/\\xe4'",
    ].join(' ');
    const ran = await bash(`OURS=$'o\\xdcrs' banger vm exec ${options} web -- true`);
    assert.equal(ran.status, 0, ran.stderr);
    const start = lab.daemon.guests[0]?.start;
    const b64 = (text: string): { b64: string } => ({ b64: Buffer.from(text, 'latin1').toString('base64') });
    assert.deepEqual(start?.env, {
      LONG: b64('a\xff'),
      SAME: b64('a\xfe'),
      LAST: b64('new\xe9'),
      PLAIN: 'é',
      EMPTY: '',
      OURS: b64('o\xdcrs'),
    });
    assert.deepEqual(start?.cwd, b64('/tmp/\xe4'));
  });

  test('shows other bytes of the command line as text', async () => {
    for (const words of ["vm show $'\\xff'", "vm exec $'\\xff' -- true", "vm exec web -u $'\\xff' -- true"]) {
      const ran = await bash(`banger ${words}`);
      assert.doesNotMatch(ran.stderr, /this is a bug/, words);
    }
    const wrong = await bash("banger vm exec -e $'\\xff' web -- true");
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /Cannot use "\ufffd" for --env/);
  });

  test('passes the arguments to the command byte for byte', async () => {
    await bash("banger vm exec web -- printf %s $'caf\\xe9' 'é' ''");
    assert.deepEqual(lab.daemon.guests[0]?.start.argv, [
      'printf',
      '%s',
      { b64: Buffer.from('caf\xe9', 'latin1').toString('base64') },
      'é',
      '',
    ]);
  });

  test('reports output that cannot be written', async () => {
    const { stdout, stderr } = await bash(
      'banger vm exec web -- echo hi >/dev/full; echo $?; banger version >/dev/full; echo $?',
    );
    assert.equal(stdout, '125\n1\n');
    assert.match(stderr, /^(banger: Cannot write the output\n {2}cause: ENOSPC: .*\n {2}hint: .*\n){2}$/);
  });

  test('does not read a closed stdin', async () => {
    const { status, stdout } = await bash('banger vm exec web -- cat <&-; echo $?');
    assert.deepEqual([status, stdout], [0, '0\n']);
  });

  test('passes SIGINT and SIGTERM on, and exits with the status of the command', async () => {
    for (const [signal, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const child = start(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo up; exec sleep 60']);
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      child.kill(signal);
      assert.equal(await exitOf(child), status);
    }
  });

  test('hangs up when it is killed while it creates a VM, and so leaves none', async () => {
    lab.daemon.createMs = 60_000;
    for (const flags of [[], ['--rm']]) {
      const before = lab.daemon.cancelledCount;
      const child = start(['vm', 'run', ...flags, '--', 'true']);
      await until(() => lab.daemon.requests.at(-1)?.path === '/v1/vms');
      child.kill('SIGKILL');
      await until(() => lab.daemon.cancelledCount === before + 1);
      lab.daemon.requests.length = 0;
    }
  });

  test('loses its lease when it is killed during vm run --rm, and the VM is deleted', async () => {
    const child = start(['vm', 'run', '--rm', '--name', 'tmp', '--', 'sh', '-c', 'echo up; sleep 60']);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    assert.equal(lab.daemon.vms.size, 2);
    child.kill('SIGKILL');
    await until(() => lab.daemon.vms.size === 1 && lab.daemon.guests[0]?.isHungUp === true);
  });

  test('loads no network code to print its version', async () => {
    const hook = "process.on('exit', () => process.stderr.write(process.moduleLoadList.join(' ')))";
    const { stderr } = await bash(
      `NODE_OPTIONS="--import=data:text/javascript,${encodeURIComponent(hook)}" banger version`,
    );
    for (const module of ['http', 'https', 'tls', 'sqlite']) {
      assert.ok(!stderr.includes(`NativeModule ${module} `), module);
    }
    assert.match(stderr, /NativeModule fs /);
  });

  test('prints the state and the socket of the daemon, and its own version, without a daemon', async () => {
    await lab.daemon.die();
    const { status, stderr } = await bash(
      'banger daemon status; banger daemon socket; banger version; banger completion bash',
    );
    assert.deepEqual([status, stderr], [0, '']);
  });
});

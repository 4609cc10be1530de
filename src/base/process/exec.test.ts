import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { neverAborts, poll, sleep } from '../abort.ts';
import { exec, execStream, spawnDetached } from './exec.ts';

const signal = neverAborts();
const gone = new Error('gone');
const sh = (script: string): [string, ...string[]] => ['sh', '-c', script];

test('exec() returns the output, feeds the input, and keeps stderr apart', async () => {
  const options = { signal, input: 'hello', env: { PATH: process.env['PATH'], MARK: 'mine' }, cwd: '/' };
  const { code, stdout, stderr } = await exec(sh('cat; echo $MARK $PWD; echo err >&2'), options);
  assert.deepEqual([code, stdout.toString(), stderr], [0, 'hellomine /\n', 'err\n']);
});

test('arguments reach the program unchanged', async () => {
  const words = ['a b', '$HOME', '"', "'", '', '*', '\n'];
  const { stdout } = await exec(['printf', '%s|', ...words], { signal });
  assert.equal(stdout.toString(), words.map((word) => `${word}|`).join(''));
});

test('a missing program is EXEC_NOT_FOUND', async () => {
  await assert.rejects(exec(['no-such-program-here'], { signal }), { code: 'EXEC_NOT_FOUND' });
  await assert.rejects(exec(['/etc/passwd'], { signal }), { code: 'EXEC_NOT_FOUND' });
});

test('an unexpected exit status is EXEC_FAILED with the end of stderr, without control characters', async () => {
  const failing = exec(sh('printf "bad\\033[2J thing" >&2; exit 4'), { signal });
  await assert.rejects(failing, { code: 'EXEC_FAILED', message: /status 4: bad \[2J thing/ });
  assert.equal((await exec(sh('exit 4'), { signal, okCodes: [0, 4] })).code, 4);
});

test('a program that is killed by a signal has the status 128 plus its number', async () => {
  for (const [name, code] of [
    ['TERM', 143],
    ['SEGV', 139],
    ['ABRT', 134],
  ] as const) {
    assert.equal((await exec(sh(`kill -${name} $$`), { signal, okCodes: [code] })).code, code);
  }
});

test('output beyond the limit ends the program', async () => {
  await assert.rejects(exec(['yes'], { signal, maxOutputBytes: 1000 }), {
    code: 'EXEC_FAILED',
    message: /longer than 1000 bytes/,
  });
});

test('input that the program does not read is not an error', async () => {
  assert.equal((await exec(['true'], { signal, input: Buffer.alloc(2 ** 20) })).code, 0);
});

test('input that fails ends the program, so that it does not process incomplete input, and fails the call', async () => {
  const broken = new Error('broken');
  const failing = (): Readable =>
    Readable.from(
      (async function* () {
        yield 'a part';
        throw broken;
      })(),
    );
  const marker = join(mkdtempSync(join(tmpdir(), 'exec-')), 'whole');
  const keep = sh(`cat >/dev/null && sleep 5 && touch "${marker}"`);
  await assert.rejects(exec(keep, { signal, input: failing() }), broken);
  await assert.rejects(execStream(keep, { signal, input: failing() }).done, broken);
  const before = failing();
  before.on('error', () => {});
  before.destroy(broken);
  await assert.rejects(exec(keep, { signal, input: before }), broken);
  const cut = new PassThrough();
  const running = exec(keep, { signal, input: cut });
  cut.destroy();
  await assert.rejects(running, { code: 'EXEC_FAILED', message: /its input was closed before its end/ });
  assert.equal(existsSync(marker), false);
  rmSync(join(marker, '..'), { recursive: true });
});

test('input that the program no longer reads is destroyed, and its later failure is not an error', async () => {
  const input = new PassThrough();
  input.write('x');
  assert.equal((await exec(['true'], { signal, input })).code, 0);
  await poll(() => input.destroyed || undefined, {
    everyMs: 5,
    deadlineMs: 55_000,
    what: 'the input',
    signal,
  });
});

test('an abort ends the program, by SIGKILL when it ignores SIGTERM, and rejects with the reason', async () => {
  const controller = new AbortController();
  let isUp = false;
  const running = exec(sh('trap "" TERM; echo up >&2; while :; do sleep 0.05; done'), {
    signal: controller.signal,
    graceMs: 50,
    onStderr: () => {
      isUp = true;
    },
  });
  await poll(() => isUp || undefined, { everyMs: 5, deadlineMs: 55_000, what: 'the program', signal });
  controller.abort(gone);
  await assert.rejects(running, gone);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  await assert.rejects(exec(['true'], controller), gone);
});

test('an abort also ends the descendants, and does not wait for those that hold the output open', async () => {
  const controller = new AbortController();
  let pid = 0;
  const running = exec(sh('(trap "" TERM; while :; do sleep 0.05; done) & echo $! >&2; exec sleep 60'), {
    signal: controller.signal,
    onStderr: (chunk) => {
      pid = Number(chunk.toString());
    },
  });
  await poll(() => pid > 0 || undefined, { everyMs: 5, deadlineMs: 55_000, what: 'the program', signal });
  controller.abort(gone);
  await assert.rejects(running, gone);
  await processGone(pid);
});

test('a program that leaves a process behind returns at once with its output, and that process is ended', async () => {
  const { stdout } = await exec(sh('echo before; sleep 600 & echo $!'), { signal });
  const [before, pid] = stdout.toString().split('\n');
  assert.equal(before, 'before');
  await processGone(Number(pid));
  const streamed = execStream(sh('sleep 600 & echo $!'), { signal });
  const streamedPid = Number(await text(streamed.stdout));
  await streamed.done;
  await processGone(streamedPid);
});

test('a program returns its output even if an unreachable descendant holds the output open', async () => {
  const { stdout } = await exec(sh('setsid sh -c "echo \\$\\$; exec sleep 600" & sleep 0.3; exit 0'), {
    signal,
  });
  const pid = Number(stdout.toString());
  assert.ok(pid > 0);
  process.kill(pid, 'SIGKILL');
});

test('a program that has exited keeps its output for a slow reader', async () => {
  const { stdout, done } = execStream(sh('head -c 1000000 /dev/zero'), { signal });
  await sleep(2_500, { signal });
  let bytes = 0;
  for await (const chunk of stdout) bytes += (chunk as Buffer).length;
  await done;
  assert.equal(bytes, 1_000_000);
});

test('a program that runs longer than its deadline is ended with its descendants, and is EXEC_FAILED', async () => {
  let pid = 0;
  const onStderr = (chunk: Buffer): void => {
    pid = Number(chunk.toString());
  };
  const options = { signal, deadlineMs: 2_000, graceMs: 50, onStderr };
  const late = { code: 'EXEC_FAILED', message: 'Cannot finish "sh": it ran longer than 2 s' };
  const stubborn = sh('trap "" TERM; sleep 600 & echo $! >&2; while :; do sleep 0.05; done');
  await assert.rejects(exec(stubborn, options), late);
  await processGone(pid);
  await assert.rejects(execStream(stubborn, options).done, late);
  await processGone(pid);
});

async function processGone(pid: number): Promise<void> {
  assert.ok(pid > 0);
  const isGone = (): true | undefined => {
    try {
      // A zombie has ended, too.
      return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ') || undefined;
    } catch {
      return true;
    }
  };
  await poll(isGone, { everyMs: 5, deadlineMs: 55_000, what: `the end of process ${pid}`, signal });
}

test('execStream() streams, and reports a failure at the end', async () => {
  const { stdout, done } = execStream(sh('echo out; exit 2'), { signal });
  assert.equal(await text(stdout), 'out\n');
  await assert.rejects(done, { code: 'EXEC_FAILED' });
});

test('execStream() keeps the output of a program that ended before it was read', async () => {
  const { stdout, done } = execStream(sh('echo early'), { signal });
  await done;
  assert.equal(await text(stdout), 'early\n');
  const long = execStream(sh('head -c 3000000 /dev/zero'), { signal });
  await sleep(200, { signal });
  assert.equal((await buffer(long.stdout)).length, 3_000_000);
  await long.done;
});

test('spawnDetached() starts the program in its own session and sends its output to the file', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'exec-'));
  const path = join(dir, 'log');
  const { pid, exited } = await spawnDetached(sh('ps -o sid= -p $$; exit 3'), {
    outputFd: openSync(path, 'a'),
  });
  assert.deepEqual(await exited, { code: 3, signal: null });
  assert.equal(Number(readFileSync(path, 'utf8')), pid);
  await assert.rejects(spawnDetached(['no-such-program-here'], { outputFd: openSync(path, 'a') }), {
    code: 'EXEC_NOT_FOUND',
  });
  rmSync(dir, { recursive: true });
  assert.equal(existsSync(dir), false);
});

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, test } from 'node:test';
import { poll } from '../../base/abort.ts';
import {
  activityOf,
  endProcess,
  findByArgument,
  isAlive,
  parseVmmProcess,
  readVmmProcess,
} from './vmm-process.ts';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function startNode(script: string, ...args: string[]): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ['-e', script, '--', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  assert.ok(child.pid !== undefined);
  return child as ChildProcess & { pid: number };
}

const FOREVER = 'console.log("up"); setInterval(() => {}, 1000)';
test('the work of a process is counted, and a process that is gone has done none', async () => {
  const child = startNode(`require("fs").writeFileSync("/dev/null", Buffer.alloc(3e6)); ${FOREVER}`);
  await once(child.stdout ?? child, 'data');
  const vmm = await readVmmProcess(child.pid);
  assert.ok(vmm);
  const { cpuMs, writtenBytes } = await activityOf(vmm);
  assert.ok(cpuMs > 0 && writtenBytes >= 3e6, `${cpuMs} ms, ${writtenBytes} bytes`);
  await endProcess(vmm, { graceMs: 0 });
  assert.deepEqual(await activityOf(vmm), { cpuMs: 0, writtenBytes: 0 });
});

test('a process that is stopped by a signal still ends cleanly when it is asked to', async () => {
  const child = startNode(FOREVER);
  await once(child.stdout ?? child, 'data');
  const vmm = await readVmmProcess(child.pid);
  assert.ok(vmm);
  child.kill('SIGSTOP');
  const exited = once(child, 'exit');
  await endProcess(vmm, { graceMs: 20_000 });
  assert.deepEqual(await exited, [null, 'SIGTERM']);
});

const DEAF = `process.on("SIGTERM", () => {}); ${FOREVER}`;

test('a process is identified by pid and start time', async () => {
  const vmm = await readVmmProcess(process.pid);
  assert.ok(vmm);
  assert.equal(await isAlive(vmm), true);
  assert.equal(await isAlive({ ...vmm, startTicks: vmm.startTicks - 1 }), false);
});

test("no process has a pid beyond the kernel's maximum", async () => {
  assert.equal(await readVmmProcess(2 ** 22 + 1), undefined);
});

test('a zombie is not alive', async () => {
  // A shell that never waits for its child keeps it as a zombie.
  const shell = spawn('sh', ['-c', 'sh -c "exit 0" & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(shell);
  const [chunk] = await once(shell.stdout, 'data');
  const pid = Number(String(chunk));
  await poll(async () => ((await readVmmProcess(pid)) === undefined ? true : undefined), {
    everyMs: 5,
    deadlineMs: 55_000,
    what: 'the zombie',
    signal: new AbortController().signal,
  });
});

test('a zombie with a thread that has not ended yet is alive, because its files are open', () => {
  const stat = (state: string, threads: number): string =>
    `20411 (qemu (a) b) ${state} 1 20409 20409 0 -1 4227084 2961 0 9 0 5 0 4 1 20 0 ${threads} 0 2538243 0 0`;
  assert.deepEqual(parseVmmProcess(20411, stat('Z', 2)), { pid: 20411, startTicks: 2538243 });
  for (const state of ['Z', 'X']) assert.equal(parseVmmProcess(20411, stat(state, 1)), undefined);
  assert.deepEqual(parseVmmProcess(20411, stat('S', 1)), { pid: 20411, startTicks: 2538243 });
  assert.equal(parseVmmProcess(20411, ''), undefined);
});

test('a stray is found by its exact argument', async () => {
  const path = `/x/${process.pid} a\nb/qemu.pid`;
  const child = startNode(FOREVER, '-pidfile', path);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  assert.deepEqual(await findByArgument('-pidfile', path), [await readVmmProcess(child.pid)]);
  assert.deepEqual(await findByArgument('-pidfile', path.slice(0, -1)), []);
  assert.deepEqual(await findByArgument('-other', path), []);
});

test('endProcess() lets a process end by itself if it handles SIGTERM', async () => {
  const child = startNode(`process.on("SIGTERM", () => process.exit(7)); ${FOREVER}`);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  const exit = once(child, 'exit');
  const vmm = await readVmmProcess(child.pid);
  assert.ok(vmm);
  await endProcess(vmm, { graceMs: 5000 });
  assert.deepEqual(await exit, [7, null]);
  await endProcess(vmm, { graceMs: 5000 });
});

test('endProcess() kills a process that ignores SIGTERM, after the grace period', async () => {
  const child = startNode(DEAF);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  const exit = once(child, 'exit');
  const vmm = await readVmmProcess(child.pid);
  assert.ok(vmm);
  await endProcess(vmm, { graceMs: 50 });
  assert.deepEqual(await exit, [null, 'SIGKILL']);
});

test('endProcess() does not end a later process with the same pid', async () => {
  const child = startNode(FOREVER);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  await endProcess({ pid: child.pid, startTicks: 1 }, { graceMs: 0 });
  assert.ok(await readVmmProcess(child.pid));
});

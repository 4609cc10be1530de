import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { answer, playQemu, type QmpRequest, refuse } from '../../../../../test/support/fakes/played-qemu.ts';
import { streamOf } from '../../../../../test/support/migration-stream.ts';
import { SOURCE_RECEIVER } from '../../../../../test/support/receiver.ts';
import { neverAborts } from '../../../../base/abort.ts';
import type { CaptureRequest, CopiedBytes } from '../../../../core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import type { BlankDisks } from '../../blank-disks.ts';
import { openQmp, type QmpClient } from '../qmp/qmp-client.ts';
import { captureGuest, saveGuest, takeOver } from './save.ts';

let dir: string;
let request: CaptureRequest;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'save-'));
  request = {
    spec: { runtimeDir: dir, memoryMib: 1, drives: [] as VmSpec['drives'] } as VmSpec,
    to: { memoryPath: join(dir, 'memory'), statePath: join(dir, 'state') },
    drives: (['overlay', 'work'] as const).map((serial) => ({ serial, pathOnHost: join(dir, serial) })),
  };
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

test('a copy that is aborted during any command of QEMU leaves no file, job or node, and the guest keeps running', async () => {
  // Once its files are being closed, the copy is complete and is no longer aborted.
  const isOver = (command: string): boolean => command === 'query-named-block-nodes';
  await abortEverywhere(['memory', 'overlay', 'state', 'work'], { isOver, save: capture });
});

test('the same applies to a save', async () => {
  await abortEverywhere(['memory', 'state'], { isOver: () => false, save });
});

test('a guest whose daemon died at any moment of a copy is taken over, keeps running, and nothing of the copy is left', async () => {
  const whole = new PlayedQemu();
  await runIn(whole, (qmp) => capture(qmp, neverAborts()));
  for (const [at, command] of whole.asked.entries()) {
    await rm(dir, { recursive: true });
    await mkdir(dir);
    const qemu = new PlayedQemu(() => {
      if (qemu.asked.length === at + 1) qemu.hangUp();
    });
    await runIn(qemu, (qmp) => capture(qmp, neverAborts())).catch(() => {});
    const moment = `${at}: ${command}`;
    await runIn(qemu, takeOver);
    assert.deepEqual([[...qemu.nodes], [...qemu.jobs], qemu.runs], [[], [], true], moment);
  }
});

test('a long copy of drives reports how many bytes are done, and a short one reports nothing', async () => {
  for (const tookMs of [0, 900]) {
    const qemu = new PlayedQemu();
    qemu.copiesUntil = performance.now() + tookMs;
    const told: CopiedBytes[] = [];
    await runIn(qemu, (qmp) => capture(qmp, neverAborts(), (copied) => told.push(copied)));
    // Of two drives, each of which has copied 3 bytes of 10.
    for (const copied of told) assert.deepEqual(copied, { doneBytes: 6, totalBytes: 20 });
    assert.equal(told.length > 0, tookMs > 0);
    await rm(dir, { recursive: true });
    await mkdir(dir);
  }
});

test('a copy job that ends during the take-over is not a failure', async () => {
  const whole = new PlayedQemu();
  whole.jobs.set('copy-work', 'copies');
  whole.nodes.add('copy-work');
  await runIn(whole, takeOver);
  for (const at of whole.asked.keys()) {
    const qemu = new PlayedQemu(() => {
      if (qemu.asked.length === at + 1) qemu.hangUp();
    });
    qemu.jobs.set('copy-work', 'copies');
    qemu.nodes.add('copy-work');
    await runIn(qemu, takeOver);
  }
});

interface SaveTest {
  save: (qmp: QmpClient, signal: AbortSignal) => Promise<unknown>;
  isOver: (command: string) => boolean;
}

/**
 * Runs `save` once, which must create `files`, and then once for each command, with an abort at that command.
 */
async function abortEverywhere(files: readonly string[], { save, isOver }: SaveTest): Promise<void> {
  const whole = new PlayedQemu();
  await runIn(whole, (qmp) => save(qmp, neverAborts()));
  assert.deepEqual((await readdir(dir)).sort(), files);
  for (const path of files) await rm(join(dir, path));
  for (const [at, command] of whole.asked.entries()) {
    if (isOver(command)) break;
    const stop = new AbortController();
    const qemu = new PlayedQemu(() => {
      // QEMU already has the command, and runs it whatever happens to the caller.
      if (qemu.asked.length === at + 1) stop.abort(new Error('enough'));
    });
    const moment = `${at}: ${command}`;
    await assert.rejects(
      runIn(qemu, (qmp) => save(qmp, stop.signal)),
      /^Error: enough$/,
      moment,
    );
    assert.deepEqual([[...qemu.nodes], [...qemu.jobs], await readdir(dir)], [[], [], []], moment);
    assert.ok(qemu.runs, moment);
  }
  assert.ok(whole.asked.length > 5);
}

async function runIn(qemu: PlayedQemu, work: (qmp: QmpClient) => Promise<unknown>): Promise<void> {
  const [ours, theirs] = duplexPair();
  playQemu(theirs, (asked) => {
    const value = qemu.run(asked);
    if (value === undefined) refuse(theirs, asked);
    else answer(theirs, asked, value);
  });
  using qmp = await openQmp(ours, { signal: neverAborts() });
  qemu.hangUp = () => theirs.destroy();
  await work(qmp);
}

const tools = { receiver: SOURCE_RECEIVER, hostTools: '/none', env: process.env };

function capture(
  qmp: QmpClient,
  signal: AbortSignal,
  onCopied?: (copied: CopiedBytes) => void,
): Promise<unknown> {
  const blanks: Pick<BlankDisks, 'copyTo'> = { copyTo: ({ target }) => writeFile(target, '') };
  return captureGuest(qmp, request, { ...tools, blanks: blanks as BlankDisks, onCopied, signal });
}

async function save(qmp: QmpClient, signal: AbortSignal): Promise<unknown> {
  return await saveGuest(qmp, request, { ...tools, signal });
}

/**
 * The parts of QEMU that handle block nodes, jobs and a migration. Executes commands in order, and calls
 * `onCommand` before each.
 */
class PlayedQemu {
  readonly asked: string[] = [];
  readonly nodes = new Set<string>();
  readonly jobs = new Map<string, 'copies' | 'ends'>();
  runs = true;
  /** until then copies are not up to date */
  copiesUntil = 0;
  hangUp = (): void => {};
  #pauses = false;
  #timesSeen = 0;
  #migration = 'none';
  #socket: Socket | undefined;
  readonly #onCommand: () => void;

  constructor(onCommand: () => void = () => {}) {
    this.#onCommand = onCommand;
  }

  /** Returns its answer; `undefined` when nothing has that name. */
  run({ execute, arguments: args }: QmpRequest): unknown {
    this.asked.push(execute);
    this.#onCommand();
    const text = (name: string): string => String(args[name]);
    if (execute === 'blockdev-add') this.nodes.add(text('node-name'));
    if (execute === 'blockdev-del') return this.nodes.delete(text('node-name')) ? {} : undefined;
    if (execute === 'query-named-block-nodes') return [...this.nodes].map((name) => ({ 'node-name': name }));
    if (execute === 'blockdev-mirror') this.jobs.set(text('job-id'), 'copies');
    if (execute === 'block-job-cancel') return this.#endJob(text('device'), args['force'] === true);
    if (execute === 'query-block-jobs') return this.#listJobs();
    if (execute === 'stop') this.runs = false;
    if (execute === 'cont') this.runs = true;
    if (execute === 'migrate-set-capabilities') this.#pauses = JSON.stringify(args).includes('true');
    if (execute === 'migrate') this.#migrate(text('uri'));
    if (execute === 'migrate-continue') return this.#continue(text('state'));
    if (execute === 'migrate_cancel') this.#cancel();
    if (execute === 'query-migrate') return this.#status();
    return {};
  }

  /** A job that is told to end does so a moment later: it is listed once more, but accepts no command. */
  #endJob(id: string, isForced: boolean): unknown {
    if (this.jobs.get(id) !== 'copies') return undefined;
    if (isForced) this.jobs.delete(id);
    else this.jobs.set(id, 'ends');
    return {};
  }

  #listJobs(): unknown[] {
    const ids = [...this.jobs.keys()];
    for (const id of ids) if (this.jobs.get(id) === 'ends') this.jobs.delete(id);
    const ready = performance.now() >= this.copiesUntil;
    return ids.map((device) => ({ device, ready, offset: 3, len: 10, 'io-status': 'ok' }));
  }

  #migrate(uri: string): void {
    this.#socket = connect(uri.slice('unix:'.length)).on('error', () => {});
    this.#migration = 'active';
  }

  #status(): { status: string } {
    const status = this.#migration;
    if (status !== 'active') return { status };
    this.#timesSeen += 1;
    // So that the test can see it, and send it a command, before it continues.
    if (this.#timesSeen < 3) return { status };
    if (this.#pauses) this.#migration = 'pre-switchover';
    else this.#complete();
    return { status };
  }

  #continue(state: string): unknown {
    if (state !== this.#migration) return undefined;
    if (state === 'cancelling') this.#migration = 'cancelled';
    else this.#complete();
    return {};
  }

  #complete(): void {
    this.#socket?.end(streamOf(2 ** 20, {}));
    this.#migration = 'completed';
  }

  /**
   * The worst case of a race in QEMU before 10.0: a job that was about to pause does so, and waits for a
   * command to continue.
   */
  #cancel(): void {
    this.#socket?.destroy();
    this.#migration = this.#migration === 'active' && this.#pauses ? 'cancelling' : 'cancelled';
  }
}

import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { readVmmProcess } from '../../src/adapters/vmm/vmm-process.ts';
import { neverAborts, poll, sleep } from '../../src/base/abort.ts';
import { isErrno } from '../../src/base/errors.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { SMALL_SHAPE } from '../support/small-shape.ts';
import { type Bench, inGuest, listVms, wakeDaemon } from './bench.ts';
import { MAKE_FOLDERS, removeCommand, START_SERVER, writeCommand } from './guest-commands.ts';
import { makeContent, type Step } from './step.ts';

/** `ms` for the daemon to finish or undo an interrupted command. */
const SETTLE_DEADLINE_MS = 60_000;

const signal = neverAborts();

/**
 * Performs one step. A command that is not interrupted must succeed. When this returns, nothing of the step
 * is still in progress.
 */
export async function perform(bench: Bench, step: Step): Promise<void> {
  switch (step.do) {
    case 'write':
    case 'append': {
      const options = { isAppended: step.do === 'append', isSynced: step.isSynced };
      const input = makeContent(step.contentId, step.sizeBytes);
      await inGuest(bench, { vm: step.vm, argv: writeCommand(step.path, options), input });
      return;
    }
    case 'remove':
      await inGuest(bench, { vm: step.vm, argv: removeCommand(step.path, step) });
      return;
    case 'sync':
      await inGuest(bench, { vm: step.vm, argv: ['sync'] });
      return;
    case 'serve':
      await inGuest(bench, { vm: step.vm, argv: START_SERVER });
      return;
    case 'kill-daemon':
      await killDaemon((await bench.client.daemonStatus({ signal })).pid);
      return await wakeDaemon(bench);
    case 'kill-vmm':
      return await killVmm(bench, step.vm);
    default:
      await runCommand(bench, step);
  }
  if (step.do === 'create') await makeFolders(bench, step.vm);
}

async function runCommand(bench: Bench, step: Step): Promise<void> {
  const { lab, client } = bench;
  const args = argsOf(step);
  const { interruption } = step;
  if (!interruption) {
    const ran = await lab.run(args);
    assert.equal(ran.code, 0, `banger ${args.join(' ')} ended with ${ran.code}: ${ran.stderr}`);
    assert.doesNotMatch(ran.stderr, UNSYNCED);
    return;
  }
  const { whom, afterMs } = interruption;
  const vmm = (await listVms(bench)).find(({ name }) => name === step.vm)?.runtime?.pid;
  const { pid: daemon } = await client.daemonStatus({ signal });
  const command = lab.start(args);
  await Promise.race([sleep(afterMs, { signal }), command.done]);
  if (whom === 'client') command.kill('SIGINT');
  else if (whom === 'daemon') await killDaemon(daemon);
  else killIfThere(vmm);
  const ran = await command.done;
  assert.doesNotMatch(ran.stderr, BUG, `banger ${args.join(' ')}`);
  await settle(bench, { killed: whom === 'vmm' ? vmm : undefined });
}

/** A VM was ended before it had written its data, which must never happen here. */
const UNSYNCED = /without a sync/;

/** What the program prints when it finds a bug. */
const BUG = /this is a bug/i;

function argsOf(step: Step): string[] {
  switch (step.do) {
    case 'create':
      return ['vm', 'create', '--name', step.vm, ...SMALL_SHAPE];
    case 'fork':
      return ['vm', 'fork', step.vm, '--name', step.to];
    case 'snapshot':
      return ['vm', 'snapshot', 'create', step.vm, step.tag];
    case 'restore':
      return ['vm', 'snapshot', 'restore', step.vm, step.tag];
    case 'drop-snapshot':
      return ['vm', 'snapshot', 'delete', step.vm, step.tag];
    default:
      return ['vm', step.do, step.vm];
  }
}

async function makeFolders(bench: Bench, vm: string): Promise<void> {
  const made = (await listVms(bench)).find(({ name }) => name === vm);
  if (made?.state === 'running') await inGuest(bench, { vm, argv: MAKE_FOLDERS });
}

/**
 * The command has ended. The daemon may still be working on it, and may not yet have noticed a VMM that was
 * `killed`.
 */
async function settle(bench: Bench, { killed }: { killed: number | undefined }): Promise<void> {
  await wakeDaemon(bench);
  const look = async (): Promise<true | undefined> => {
    const [operations, vms] = [await bench.client.listOperations({ signal }), await listVms(bench)];
    const isKnown =
      killed === undefined ||
      vms.every(({ state, runtime }) => state !== 'running' || runtime?.pid !== killed);
    return operations.length === 0 && isKnown ? true : undefined;
  };
  await poll(look, { everyMs: 50, deadlineMs: SETTLE_DEADLINE_MS, what: 'operations to end', signal });
}

async function killVmm(bench: Bench, name: string): Promise<void> {
  const find = async (): Promise<Vm | undefined> => (await listVms(bench)).find((vm) => vm.name === name);
  killIfThere((await find())?.runtime?.pid);
  const look = async (): Promise<true | undefined> =>
    (await find())?.state === 'running' ? undefined : true;
  await poll(look, { everyMs: 20, deadlineMs: SETTLE_DEADLINE_MS, what: 'the VM to be stopped', signal });
}

/** Kills the daemon and waits until it is gone; until then its socket accepts connections, which break. */
async function killDaemon(pid: number): Promise<void> {
  killIfThere(pid);
  const look = async (): Promise<true | undefined> => ((await readVmmProcess(pid)) ? undefined : true);
  await poll(look, { everyMs: 2, deadlineMs: SETTLE_DEADLINE_MS, what: 'the daemon to be gone', signal });
}

function killIfThere(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

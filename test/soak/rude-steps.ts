import { connect } from 'node:net';
import { neverAborts, sleep } from '../../src/base/abort.ts';
import { SMALL_SHAPE } from '../support/small-shape.ts';
import { must, type Soak } from './soak.ts';
import type { Step } from './steps.ts';

/** `ms` for the daemon to clean up after a client that is gone. */
const SETTLE_MS = 120_000;

/**
 * Clients that do not wait for the end: they are killed or interrupted, or hang up. They must leave either
 * something complete or nothing.
 */
export const RUDE_STEPS: readonly Step[] = [
  rude('killed exec', 3, ({ vm }) => ['vm', 'exec', vm, '--', 'sleep', '1000']),
  rude('killed output', 2, ({ vm }) => ['vm', 'exec', vm, '--', 'cat', '/dev/zero']),
  rude('killed ssh', 1, ({ vm }) => ['vm', 'ssh', vm, '--', 'sleep', '1000']),
  rude('killed logs -f', 1, ({ vm }) => ['vm', 'logs', '-f', vm]),
  rude('killed stats --watch', 1, ({ vm }) => ['vm', 'stats', '--watch', vm]),
  rude('killed cp', 2, ({ vm }) => ['vm', 'cp', `${vm}:/usr/lib`, '-']),
  rude('killed wait', 1, ({ vm }) => ['vm', 'wait', vm]),
  rudeMaker('killed create', 2, (name) => ['vm', 'create', '-q', '--name', name, ...SMALL_SHAPE]),
  rudeMaker('killed run --rm', 2, (name) => [
    'vm',
    'run',
    '--rm',
    '--name',
    name,
    ...SMALL_SHAPE,
    '--',
    'sleep',
    '1000',
  ]),
  rudeMaker('killed fork', 1, (name, source) => ['vm', 'fork', source, '--name', name]),
  {
    name: 'hung up request',
    weight: 2,
    async run(soak) {
      await hangUp(soak, 'POST /v1/vms HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"name": ');
      return true;
    },
  },
  {
    name: 'hung up session',
    weight: 2,
    async run(soak) {
      using shared = soak.pool.share();
      if (!shared) return false;
      const head = `POST /v1/vms/${shared.vm.name}/exec HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: banger-exec\r\n\r\n`;
      await hangUp(soak, head);
      return true;
    },
  },
];

const END_SIGNALS = ['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A client that uses a VM and is ended in the middle. */
function rude(name: string, weight: number, argsOf: (names: { vm: string }) => string[]): Step {
  return {
    name,
    weight,
    async run(soak) {
      using shared = soak.pool.share();
      if (!shared) return false;
      await startAndEnd(soak, argsOf({ vm: shared.vm.name }));
      return true;
    },
  };
}

/** A client that creates a VM and is ended in the middle. Deletes the VM if it was created nevertheless. */
function rudeMaker(name: string, weight: number, argsOf: (name: string, source: string) => string[]): Step {
  return {
    name,
    weight,
    async run(soak) {
      using room = soak.pool.reserve();
      using source = soak.pool.share();
      if (!room || !source) return false;
      const made = soak.newName();
      await startAndEnd(soak, argsOf(made, source.vm.name));
      await untilSettled(soak, { step: name, vm: made, isEphemeral: name.includes('--rm') });
      return true;
    },
  };
}

async function startAndEnd(soak: Soak, args: readonly string[]): Promise<void> {
  const running = soak.lab.start(args);
  await sleep(soak.random() * 2_500, { signal: neverAborts() });
  running.kill(END_SIGNALS[Math.floor(soak.random() * END_SIGNALS.length)] ?? 'SIGKILL');
  // The first Ctrl-C belongs to the command in the guest.
  const timer = setTimeout(() => running.kill('SIGKILL'), 3_000);
  await running.done;
  clearTimeout(timer);
}

/** Waits until no operation on that VM is in progress, and deletes it if it exists. */
async function untilSettled(
  soak: Soak,
  { step, vm, isEphemeral }: { step: string; vm: string; isEphemeral: boolean },
): Promise<void> {
  const endsAt = performance.now() + SETTLE_MS;
  for (;;) {
    const { stdout } = await must(soak, step, ['vm', 'list', '--all', '--json']);
    const found = (JSON.parse(stdout.toString()) as { name: string; state: string }[]).find(
      ({ name }) => name === vm,
    );
    if (!found) return;
    if (found.state === 'running' && !isEphemeral) {
      await must(soak, step, ['vm', 'delete', vm]);
      return;
    }
    if (performance.now() > endsAt) {
      await must(soak, step, ['vm', 'show', vm], { check: () => `"${vm}" is still ${found.state}` });
    }
    await sleep(500, { signal: neverAborts() });
  }
}

/** Sends the head of a request and hangs up. */
async function hangUp({ lab, random }: Soak, head: string): Promise<void> {
  const socket = connect(lab.paths.daemonSocket);
  socket.on('error', () => {});
  socket.write(head);
  await sleep(random() * 300, { signal: neverAborts() });
  socket.destroy();
}

import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { poll } from '../../src/base/abort.ts';
import { SSH_PORT } from '../../src/protocol/no-ssh.ts';
import type { VmPorts } from '../../src/protocol/usage.ts';
import { SMALL_SHAPE } from '../support/small-shape.ts';
import { must, type Soak } from './soak.ts';
import type { PoolState, PoolVm } from './vm-pool.ts';

/** A task of a client: one or more commands that must all succeed. */
export interface Step {
  name: string;
  /** how often it is chosen, relative to the others */
  weight: number;
  /** runs it; returns `false` when there was no VM or no room for one */
  run(soak: Soak): Promise<boolean>;
}

/** The steps of clients that run to the end. */
export const STEPS: readonly Step[] = [
  ...[
    ['vm', 'list', '--all'],
    ['vm', 'ps', '-q'],
    ['vm', 'list', '--all', '--json'],
    ['operations', 'list', '--all'],
    ['template', 'list'],
    ['image', 'list'],
    ['daemon', 'status', '--json'],
  ].map((args): Step => asking(args)),
  alone('create', 8, async (soak) => {
    const name = soak.newName();
    await must(soak, 'create', ['vm', 'create', '-q', '--name', name, ...SMALL_SHAPE]);
    return name;
  }),
  passing('run --rm', 3, async (soak) => {
    const token = randomBytes(8).toString('hex');
    await must(soak, 'run --rm', ['vm', 'run', '--rm', ...SMALL_SHAPE, '--', 'echo', token], {
      check: ({ stdout }) => (stdout.toString() === `${token}\n` ? undefined : `printed "${stdout}"`),
    });
  }),
  passing('run --rm REPO', 2, async (soak) => {
    const args = ['vm', 'run', '--rm', ...SMALL_SHAPE, soak.repo, '--', 'git', 'status', '--porcelain'];
    await must(soak, 'run --rm REPO', args, {
      check: ({ stdout }) =>
        stdout.toString() === ' M folder-0/file-0.txt\n' ? undefined : `printed "${stdout}"`,
    });
  }),
  alone('fork', 2, async (soak, source) => {
    if (!source) return undefined;
    const name = soak.newName();
    await must(soak, 'fork', ['vm', 'fork', source.name, '--name', name]);
    return name;
  }),
  sharing('exec', 12, async (soak, { name }) => {
    const token = randomBytes(8).toString('hex');
    await must(soak, 'exec', ['vm', 'exec', name, '--', 'echo', token], {
      check: ({ stdout }) => (stdout.toString() === `${token}\n` ? undefined : `printed "${stdout}"`),
    });
  }),
  sharing('exec with input', 4, async (soak, { name }) => {
    const input = randomBytes(300_000);
    await must(soak, 'exec with input', ['vm', 'exec', name, '--', 'cat'], {
      input,
      check: ({ stdout }) => (stdout.equals(input) ? undefined : `echoed ${stdout.length} other bytes`),
    });
  }),
  sharing('ssh', 1, async (soak, { name }) => {
    await must(soak, 'ssh', ['vm', 'ssh', name, '--', 'echo', 'there'], {
      check: ({ stdout }) => (stdout.toString() === 'there\n' ? undefined : `printed "${stdout}"`),
    });
  }),
  sharing('cp', 4, async (soak, { name }) => {
    const id = randomBytes(6).toString('hex');
    const [there, back] = [join(soak.files, id), join(soak.files, `${id}-back`)];
    const content = randomBytes(1_000_000);
    await writeFile(there, content);
    await must(soak, 'cp', ['vm', 'cp', there, `${name}:/root/${id}`]);
    await must(soak, 'cp', ['vm', 'cp', `${name}:/root/${id}`, back]);
    if (!(await readFile(back)).equals(content)) throw new Error(`the copy of ${name}:/root/${id} differs`);
    await must(soak, 'cp', ['vm', 'exec', name, '--', 'rm', `/root/${id}`]);
    await Promise.all([there, back].map((path) => rm(path)));
  }),
  sharing('cp to stdout', 2, async (soak, { name }) => {
    await must(soak, 'cp to stdout', ['vm', 'cp', `${name}:/etc/systemd`, '-'], {
      check: ({ stdout }) => (stdout.length > 10_000 ? undefined : `only ${stdout.length} bytes`),
    });
  }),
  sharing('show', 3, async (soak, { name }) => {
    await must(soak, 'show', ['vm', 'show', name]);
  }),
  sharing('stats', 3, async (soak, { name }) => {
    await must(soak, 'stats', ['vm', 'stats', '--json', name]);
  }),
  sharing('ports', 2, async (soak, { name }) => {
    await must(soak, 'ports', ['vm', 'ports', name]);
  }),
  sharing('forwarded port', 2, async (soak, { name }) => {
    const greeting = await greetingOf(await hostEndOf(soak, name, SSH_PORT));
    if (!greeting.startsWith('SSH-2.0')) throw new Error(`port ${SSH_PORT} of ${name} sent "${greeting}"`);
  }),
  sharing('logs', 2, async (soak, { name }) => {
    await must(soak, 'logs', ['vm', 'logs', name]);
  }),
  sharing('wait', 2, async (soak, { name }) => {
    await must(soak, 'wait', ['vm', 'wait', '--until', 'ready', '--timeout', '60s', name]);
  }),
  changing('suspend', 3, { from: 'running' }, async (soak, vm) => {
    await must(soak, 'suspend', ['vm', 'suspend', vm.name]);
    vm.state = 'suspended';
  }),
  changing('resume', 6, { from: 'suspended' }, async (soak, vm) => {
    await must(soak, 'resume', ['vm', 'resume', vm.name]);
    vm.state = 'running';
  }),
  changing('snapshot', 1, { from: 'running' }, async (soak, { name }) => {
    await must(soak, 'snapshot', ['vm', 'snapshot', 'create', name, 'one']);
    await must(soak, 'snapshot', ['vm', 'exec', name, '--', 'touch', '/root/later']);
    await must(soak, 'snapshot', ['vm', 'snapshot', 'restore', name, 'one']);
    await must(soak, 'snapshot', ['vm', 'exec', name, '--', 'test', '!', '-e', '/root/later']);
    await must(soak, 'snapshot', ['vm', 'snapshot', 'delete', name, 'one']);
  }),
  changing('stop', 1, { from: 'running' }, async (soak, vm) => {
    await must(soak, 'stop', ['vm', 'stop', vm.name]);
    vm.state = 'stopped';
  }),
  changing('kill', 1, { from: 'running' }, async (soak, vm) => {
    await must(soak, 'kill', ['vm', 'kill', '--signal', 'KILL', vm.name]);
    vm.state = 'stopped';
  }),
  changing('set', 1, { from: 'stopped' }, async (soak, vm) => {
    vm.memoryMib = vm.memoryMib === 256 ? 320 : 256;
    await must(soak, 'set', ['vm', 'set', '--memory', String(vm.memoryMib), vm.name]);
  }),
  changing('start', 6, { from: 'stopped' }, async (soak, vm) => {
    await must(soak, 'start', ['vm', 'start', vm.name]);
    vm.state = 'running';
  }),
  changing('set --nat', 2, { from: 'running' }, async (soak, vm) => {
    vm.nat = !vm.nat;
    await must(soak, 'set --nat', ['vm', 'set', vm.nat ? '--nat' : '--no-nat', vm.name]);
  }),
  changing('rename', 1, { from: 'running' }, async (soak, vm) => {
    const name = soak.newName();
    await must(soak, 'rename', ['vm', 'rename', vm.name, name]);
    vm.name = name;
  }),
  changing('workspace', 2, { from: 'running' }, async (soak, { name }) => {
    const written = randomBytes(6).toString('hex');
    await must(soak, 'workspace', ['vm', 'workspace', 'prepare', name, soak.repo]);
    await must(soak, 'workspace', [
      'vm',
      'exec',
      name,
      '--',
      'sh',
      '-c',
      `echo ${written} > ~/repo/${written}`,
    ]);
    await must(soak, 'workspace', ['vm', 'workspace', 'export', name], {
      check: ({ stdout }) => (stdout.includes(`+${written}`) ? undefined : `exported no "${written}"`),
    });
  }),
  ...(['running', 'stopped', 'suspended'] as const).map((from) =>
    changing(`delete ${from}`, from === 'running' ? 6 : 1, { from }, async (soak, vm) => {
      await must(soak, `delete ${from}`, ['vm', 'delete', vm.name]);
      soak.pool.remove(vm);
    }),
  ),
];

/** Where a port of a VM listens on this host. The guest's sshd may only just have started. */
async function hostEndOf(soak: Soak, name: string, port: number): Promise<{ host: string; port: number }> {
  const find = async (): Promise<{ host: string; port: number } | undefined> => {
    const { stdout } = await must(soak, 'forwarded port', ['vm', 'ports', '--json', name]);
    const [vm] = JSON.parse(stdout.toString()) as VmPorts[];
    const { hostAddress, hostPort } = vm?.ports.find((one) => one.port === port) ?? {};
    return hostAddress !== undefined && hostPort !== undefined
      ? { host: hostAddress, port: hostPort }
      : undefined;
  };
  const what = `port ${port} of ${name} on this host`;
  return await poll(find, { everyMs: 500, deadlineMs: 60_000, what, signal: soak.signal });
}

/** The first bytes that a server sends. */
async function greetingOf(place: { host: string; port: number }): Promise<string> {
  const socket = connect(place);
  try {
    for await (const bytes of socket) return String(bytes).trim();
    return '';
  } finally {
    socket.destroy();
  }
}

/** Asks the daemon, and needs no VM. */
function asking(args: readonly string[]): Step {
  const name = args.join(' ');
  return {
    name,
    weight: 1,
    async run(soak) {
      await must(soak, name, args);
      return true;
    },
  };
}

/** Makes a VM for the pool, perhaps as a fork of a running one, and returns its name. */
function alone(
  name: string,
  weight: number,
  make: (soak: Soak, source: PoolVm | undefined) => Promise<string | undefined>,
): Step {
  return {
    name,
    weight,
    async run(soak) {
      using room = soak.pool.reserve();
      if (!room) return false;
      using source = soak.pool.share();
      const made = await make(soak, source?.vm);
      if (made === undefined) return false;
      const { nat, memoryMib } = source?.vm ?? { nat: false, memoryMib: 256 };
      const isFork = name === 'fork';
      room[Symbol.dispose]();
      soak.pool.add({
        name: made,
        state: 'running',
        nat: isFork && nat,
        memoryMib: isFork ? memoryMib : 256,
      });
      return true;
    },
  };
}

/** Makes a VM and deletes it. */
function passing(name: string, weight: number, work: (soak: Soak) => Promise<void>): Step {
  return {
    name,
    weight,
    async run(soak) {
      using room = soak.pool.reserve();
      if (!room) return false;
      await work(soak);
      return true;
    },
  };
}

/** Uses a VM that other clients may use too. */
function sharing(name: string, weight: number, work: (soak: Soak, vm: PoolVm) => Promise<void>): Step {
  return {
    name,
    weight,
    async run(soak) {
      using shared = soak.pool.share();
      if (!shared) return false;
      await work(soak, shared.vm);
      return true;
    },
  };
}

/** Changes a VM to which it has exclusive access. */
function changing(
  name: string,
  weight: number,
  { from }: { from: PoolState },
  work: (soak: Soak, vm: PoolVm) => Promise<void>,
): Step {
  return {
    name,
    weight,
    async run(soak) {
      using taken = soak.pool.take(from);
      if (!taken) return false;
      await work(soak, taken.vm);
      return true;
    },
  };
}

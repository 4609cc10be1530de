import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { isAppError, messageOf } from '../../src/base/errors.ts';
import { type BangerClient, createClient } from '../../src/sdk/client.ts';
import { type Lab, openLab } from '../e2e/support/lab.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import {
  connectAtOnce,
  connectInSequence,
  type EchoPlace,
  type ProcessUse,
  stallUploads,
  useOf,
} from '../support/network/connection-load.ts';
import { askPort } from '../support/network/local-server.ts';
import { SMALL_SHAPE } from '../support/small-shape.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const USAGE = `usage: npm run connections -- [--count 10000] [--at-once 500]

  --count    connections to a port of a real guest, one after another in four lanes, half of them cut off
  --at-once  connections at the same time, half of them cut off

Exit status 1 when the daemon or the guest's agent keeps descriptors, connections or memory, or when four uploads
that stall delay a command.
`;

/** Memory that a process may have more at the end than after the warm-up, in `bytes`. */
const MOST_GROWTH_BYTES = 32 * 2 ** 20;

/** `ms` for what the last connections have used to be given back. */
const SETTLE_MS = 60_000;

const VM = 'connected';
const ECHO_PORT = 5_000;
const DEAF_PORT = 5_001;

/** Sends back what it receives on one port, and accepts without reading on the other. */
const SERVER = `
import selectors, socket
ready = selectors.DefaultSelector()
echo = socket.create_server(("0.0.0.0", ${ECHO_PORT}), backlog=1024)
deaf = socket.create_server(("0.0.0.0", ${DEAF_PORT}), backlog=16)
ready.register(echo, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        if key.fileobj is echo:
            ready.register(echo.accept()[0], selectors.EVENT_READ)
            continue
        try:
            data = key.fileobj.recv(65536)
            key.fileobj.sendall(data)
        except OSError:
            data = b""
        if not data:
            ready.unregister(key.fileobj)
            key.fileobj.close()
`;

/** Prints the agent's descriptors, memory in KiB, and the open connections to the echo server. */
const AGENT_USE = `
agent=/proc/$(systemctl show --property MainPID --value banger-agent)
echo $(ls $agent/fd | wc -l) $(awk '/^VmRSS/ {print $2}' $agent/status) $(grep -c ':1388 .* 01 ' /proc/net/tcp)
`;

process.exitCode = await main(interruptSignal()).catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '10000' },
      'at-once': { type: 'string', default: '500' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  await ensureDefaultImage(ROOT);
  await using lab = await openLab();
  const client = createClient({ socketPath: lab.paths.daemonSocket });
  await lab.text(['vm', 'create', '--name', VM, ...SMALL_SHAPE]);
  const address = (await lab.text(['vm', 'show', VM, '--format', '.guest_ip'])).trim();
  await lab.text(['vm', 'exec', VM, '--', 'sh', '-c', 'python3 -c "$0" >/dev/null 2>&1 & echo', SERVER]);
  const place = { address, port: ECHO_PORT };
  await until(async () => (await askPort(address, ECHO_PORT, 'hi')) === 'hi', { what: 'the echo server' });
  return await load({ lab, client, place, signal }, Number(values.count), Number(values['at-once']));
}

interface Loaded extends Abortable {
  lab: Lab;
  client: BangerClient;
  place: EchoPlace;
}

async function load(loaded: Loaded, count: number, atOnce: number): Promise<number> {
  const { place, signal } = loaded;
  await connectInSequence(place, 400, { signal });
  const before = await useNow(loaded);
  say(`before, after a warm-up: ${JSON.stringify(before)}`);
  const begun = performance.now();
  await connectInSequence(place, count, { signal });
  say(`${count} connections took ${Math.round(performance.now() - begun)} ms`);
  const problems = await settled(loaded, { before, when: `after ${count} connections` });
  await connectAtOnce(place, atOnce, async () => say(`a command meanwhile: ${await execMs(loaded)} ms`));
  problems.push(...(await settled(loaded, { before, when: `after ${atOnce} at once` })));
  const usualMs = await execMs(loaded);
  const stalledMs = await whileStalled(loaded);
  say(`a command takes ${usualMs} ms, and beside four uploads that stall ${stalledMs} ms`);
  if (stalledMs > 2 * usualMs) problems.push('stalled uploads delay commands');
  // What the clients of stalled uploads have left in the buffers is still to be read by the guest's server.
  await loaded.lab.text(['vm', 'exec', VM, '--', 'pkill', 'python3']);
  problems.push(
    ...(await settled(loaded, { before, when: 'after the uploads and the end of their server' })),
  );
  for (const problem of problems) say(`problem: ${problem}`);
  say(problems.length === 0 ? 'connections: passed' : 'connections: FAILED');
  return problems.length === 0 ? 0 : 1;
}

interface Use {
  daemon: ProcessUse;
  agent: ProcessUse;
  /** connections to the echo server that are open in the guest */
  connectionCount: number;
}

/** Waits until nothing is left of connections, and returns what is left when that takes too long. */
async function settled(loaded: Loaded, { before, when }: { before: Use; when: string }): Promise<string[]> {
  let now = before;
  let left: string[] = [];
  const isClean = async (): Promise<true | undefined> => {
    now = await useNow(loaded);
    left = [
      ...growthOf('the daemon', before.daemon, now.daemon),
      ...growthOf('the agent', before.agent, now.agent),
      ...(now.connectionCount > 0 ? [`${now.connectionCount} connections are still open in the guest`] : []),
    ];
    return left.length === 0 || undefined;
  };
  const waiting = {
    everyMs: 1_000,
    deadlineMs: SETTLE_MS,
    what: 'nothing to be left',
    signal: loaded.signal,
  };
  await poll(isClean, waiting).catch((error: unknown) => {
    if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
  });
  say(`${when}: ${JSON.stringify(now)}`);
  return left.map((what) => `${when}, ${what}`);
}

async function useNow({ lab }: Loaded): Promise<Use> {
  const counted = await lab.text(['vm', 'exec', VM, '--', 'sh', '-c', AGENT_USE]);
  const [descriptorCount = 0, kib = 0, connectionCount = 0] = counted.trim().split(' ').map(Number);
  return {
    daemon: useOf(await lab.daemonPid()),
    agent: { descriptorCount, memoryBytes: kib * 1024 },
    connectionCount,
  };
}

function growthOf(who: string, before: ProcessUse, after: ProcessUse): string[] {
  const bytes = after.memoryBytes - before.memoryBytes;
  return [
    ...(after.descriptorCount > before.descriptorCount
      ? [`${who} has ${after.descriptorCount} descriptors in place of ${before.descriptorCount}`]
      : []),
    ...(bytes > MOST_GROWTH_BYTES ? [`${who} has grown by ${bytes} bytes`] : []),
  ];
}

async function whileStalled(loaded: Loaded): Promise<number> {
  using _uploads = await stallUploads({ ...loaded.place, port: DEAF_PORT }, 4);
  return await execMs(loaded);
}

/** The median of some commands, in `ms`. */
async function execMs({ client, signal }: Loaded): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 9; run += 1) {
    const begun = performance.now();
    const ran = await client.exec(VM, { argv: ['true'] }, { signal });
    const { exit } = await ran.collect();
    if (!('code' in exit) || exit.code !== 0) throw new Error(`a command ended with ${JSON.stringify(exit)}`);
    times.push(performance.now() - begun);
  }
  return Math.round(times.sort((a, b) => a - b)[4] ?? 0);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { NetworkSpec } from '../../../src/core/ports/vmm/network.ts';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import type { SavedGuest } from '../../../src/core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { patient } from '../../support/patience.ts';
import { type DriverOptions, makeDriver } from './drivers.ts';
import { askGuest } from './test-guest.ts';

/** The host's answer, by protocol; `none` when there was no answer. */
type Reached = Record<'tcp' | 'udp' | 'tcp6' | 'icmp' | 'dns', string>;

const NOTHING: Reached = { tcp: 'none', udp: 'none', tcp6: 'none', icmp: 'none', dns: 'none' };
const ALL: Reached = { tcp: 'hello', udp: 'hello', tcp6: 'hello', icmp: 'echo', dns: '[192.0.2.7]' };

/** What {@link tryNetwork} returns when the network works as it should. */
export const EXPECTED_NETWORK: readonly [string, Reached][] = [
  ['started without', NOTHING],
  ['set', ALL],
  ['set again', ALL],
  ['adopted and disconnected', NOTHING],
  ['disconnected again', NOTHING],
  ['started with', ALL],
  ['copied', ALL],
  ['saved with, continues without', NOTHING],
  ['and is connected again', ALL],
  ['saved without, continues with', ALL],
  ['the copy', ALL],
];

/**
 * How long to wait for an answer: when none may come, and when one must, even if a busy host loses a packet.
 */
const CUT_OFF_SECONDS = 1;
const CONNECTED_SECONDS = 15;

interface NetworkTask {
  driver: DriverOptions;
  spec: VmSpec;
}

/**
 * Tries the network of a guest in every state. It must run in a network namespace with only a loopback, and
 * with 127.0.0.1 as the host's nameserver, so that nothing ever leaves this machine.
 */
export async function tryNetwork({ driver, spec }: NetworkTask): Promise<[string, Reached][]> {
  const tried: [string, Reached][] = [];
  const { addresses, ports } = await serveAll();
  const network: NetworkSpec = { mode: 'user', exposedPorts: ports };
  const note = async (what: string, vm: RunningVm): Promise<void> => {
    const isCutOff = EXPECTED_NETWORK.some(([state, reached]) => state === what && reached === NOTHING);
    tried.push([
      what,
      await reachAll(vm, { addresses, seconds: isCutOff ? CUT_OFF_SECONDS : CONNECTED_SECONDS }),
    ]);
  };
  const first = await makeDriver(driver).start(spec, limit());
  await ask(first, 'network');
  await note('started without', first);
  await first.setNetwork(network, limit());
  await note('set', first);
  await first.setNetwork(network, limit());
  await note('set again', first);
  first.detach();
  const adopted = await makeDriver(driver).adopt(spec, limit());
  if (!adopted) throw new Error('the VM was not adopted');
  await adopted.setNetwork({ mode: 'none' }, limit());
  await note('adopted and disconnected', adopted);
  await adopted.setNetwork({ mode: 'none' }, limit());
  await note('disconnected again', adopted);
  await adopted.kill();
  const second = await makeDriver(driver).start({ ...spec, network }, limit());
  await ask(second, 'network');
  await note('started with', second);
  await trySaved(second, { driver, spec, network, note });
  return tried;
}

/** A guest with NAT is copied and saved; ends it. */
async function trySaved(
  vm: RunningVm,
  {
    driver,
    spec,
    network,
    note,
  }: NetworkTask & {
    network: NetworkSpec;
    note: (what: string, vm: RunningVm) => Promise<void>;
  },
): Promise<void> {
  const place = (name: string): SavedGuest => ({
    memoryPath: `${spec.runtimeDir}/../${name}.memory`,
    statePath: `${spec.runtimeDir}/../${name}.state`,
  });
  const connected = { ...spec, network };
  await vm.capture({ spec: connected, to: place('copy'), drives: [] }, limit());
  await note('copied', vm);
  await vm.save({ spec: connected, to: place('saved') }, limit());
  await vm.kill();
  const without = await makeDriver(driver).restore(spec, place('saved'), limit());
  await note('saved with, continues without', without);
  await without.setNetwork(network, limit());
  await note('and is connected again', without);
  await without.setNetwork({ mode: 'none' }, limit());
  await without.save({ spec, to: place('cut off') }, limit());
  await without.kill();
  for (const [what, from] of [
    ['saved without, continues with', 'cut off'],
    ['the copy', 'copy'],
  ] as const) {
    const restored = await makeDriver(driver).restore(connected, place(from), limit());
    await note(what, restored);
    await restored.kill();
  }
}

async function reachAll(
  vm: RunningVm,
  { addresses, seconds }: { addresses: Reached; seconds: number },
): Promise<Reached> {
  const reached: Reached = { ...addresses };
  for (const [protocol, address] of Object.entries(addresses)) {
    const verb = protocol === 'tcp6' ? 'tcp' : protocol;
    // Sent only once, because repeated requests would queue up while the guest waits for an answer that never
    // comes.
    const options = { ...limit(), isUp: true };
    const request = `reach ${verb} ${address} ${seconds}`;
    const answer = await askGuest(vm.guestEndpoint, request, options).catch(() => 'none');
    reached[protocol as keyof Reached] = answer;
  }
  return reached;
}

/**
 * Starts echo servers, and a nameserver that knows one address, on this host's loopback. Returns where the
 * guest finds them.
 */
async function serveAll(): Promise<{ addresses: Reached; ports: number[] }> {
  const ports = await Promise.all(
    ['127.0.0.1', '::1'].map(async (host) => {
      const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, host);
      await once(server.unref(), 'listening');
      return (server.address() as AddressInfo).port;
    }),
  );
  const udp = createSocket('udp4').unref();
  udp.on('message', (message, { port, address }) => udp.send(message, port, address));
  udp.bind(0, '127.0.0.1');
  const dns = createSocket('udp4').unref();
  dns.on('message', (query, { port, address }) => dns.send(answerTo(query), port, address));
  dns.bind(53, '127.0.0.1');
  await Promise.all([once(udp, 'listening'), once(dns, 'listening')]);
  const addresses = {
    tcp: `10.0.2.2:${ports[0]}`,
    udp: `10.0.2.2:${udp.address().port}`,
    tcp6: `[fec0::2]:${ports[1]}`,
    icmp: '10.0.2.2',
    dns: '10.0.2.3:53',
  };
  return { addresses, ports: [...ports, udp.address().port] };
}

/** RFC 1035: the header with one answer, the unchanged question, and 192.0.2.7 for its name. */
function answerTo(query: Buffer): Buffer {
  const end = query.indexOf(0, 12) + 5;
  const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  query.copy(header, 0, 0, 2);
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
  return Buffer.concat([header, query.subarray(12, end), answer]);
}

function ask(vm: RunningVm, request: string): Promise<string> {
  return askGuest(vm.guestEndpoint, request, limit());
}

function limit(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(patient(60_000)) };
}

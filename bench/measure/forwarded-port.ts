import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { type Abortable, poll } from '../../src/base/abort.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { openTcp, rawEcho, socatTo } from '../floor/raw-tcp.ts';
import type { Lab } from '../lab.ts';
import type { Goal, Measurement, Row, UnmeasuredRow } from '../measurement.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed } from '../timing.ts';
import { withVm } from '../with-vm.ts';

const PORT = 5_000;
const BYTES = 16 * 2 ** 20;

/** An echo server of the guest, which keeps no more than it reads at a time. */
const SERVER = `
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("0.0.0.0", ${PORT}), Echo).serve_forever()
`;

/** Opens a connection to an echo server. */
type Open = () => Promise<Duplex>;

/** A forwarded port of a guest, beside the guest's link alone, a raw TCP echo, and `socat`. */
export const forwardedPort: Measurement = {
  name: 'forwarded-port',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (vm) => {
      await serve(lab, vm, { signal });
      await using raw = await rawEcho();
      await using socat = await socatTo(raw.port, { signal });
      const openSocat: Open | undefined = socat && (() => openTcp('127.0.0.1', socat.port));
      const ways = {
        forwarded: () => openTcp(vm.guest_ip ?? '', PORT),
        link: () => lab.client.openPort(vm.id, PORT, { signal }),
        raw: () => openTcp('127.0.0.1', raw.port),
        ...(openSocat ? { socat: openSocat } : {}),
      };
      const runs = isQuick ? 10 : 50;
      const connection = await inTurns(ways, runs, (open) => timed(() => visit(open)));
      const roundTrip = await inTurns(ways, runs, roundTripMs);
      const throughput = await inTurns(ways, isQuick ? 2 : 5, (open) => timed(() => echoMuch(open)));
      return [
        ...rowsOf('forwarded-connection', 'a connection and its first byte back', connection, { added: 0.5 }),
        ...rowsOf('forwarded-round-trip', 'a byte there and back on an open connection', roundTrip, {
          added: 0.2,
        }),
        ...rowsOf('forwarded-throughput', `${BYTES / 2 ** 20} MiB there and back`, throughput),
        await wakeRow(lab, vm, { runs: isQuick ? 2 : 5, signal }),
      ];
    }),
};

async function serve(lab: Lab, vm: Vm, { signal }: Abortable): Promise<void> {
  const argv = ['sh', '-c', 'python3 -c "$0" >/dev/null 2>&1 & echo', SERVER];
  using session = await lab.client.exec(vm.id, { argv }, { signal });
  await session.collect();
  const attempt = async (): Promise<true | undefined> =>
    await visit(() => openTcp(vm.guest_ip ?? '', PORT)).then(
      () => true as const,
      () => undefined,
    );
  await poll(attempt, { everyMs: 50, deadlineMs: 60_000, what: "the guest's server", signal });
}

/** Measures all ways in turns, because the speed of the machine varies. */
async function inTurns(
  ways: Record<string, Open>,
  runs: number,
  measure: (open: Open) => Promise<number>,
): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  await repeat(runs, async () => {
    for (const [name, open] of Object.entries(ways)) {
      const values = found.get(name) ?? [];
      values.push(await measure(open));
      found.set(name, values);
    }
  });
  return found;
}

/** A connection with one byte there and back. */
async function visit(open: Open): Promise<void> {
  const stream = await open();
  try {
    await ask(stream);
  } finally {
    stream.destroy();
  }
}

async function ask(stream: Duplex): Promise<void> {
  const failed = once(stream, 'close').then(() => Promise.reject(stream.errored ?? new Error('closed')));
  failed.catch(() => {});
  stream.write('x');
  await Promise.race([once(stream, 'data'), failed]);
}

async function roundTripMs(open: Open): Promise<number> {
  const stream = await open();
  await ask(stream);
  const ms = await timed(() => ask(stream));
  stream.destroy();
  return ms;
}

async function echoMuch(open: Open): Promise<void> {
  const stream = await open();
  stream.end(Buffer.alloc(BYTES));
  let received = 0;
  for await (const chunk of stream) received += (chunk as Buffer).length;
  if (received !== BYTES) throw new Error(`${received} of ${BYTES} bytes came back`);
}

function rowsOf(
  name: string,
  what: string,
  values: Map<string, number[]>,
  goal?: Goal,
): (Row | UnmeasuredRow)[] {
  const of = (way: string): number[] => values.get(way) ?? [];
  const unit = 'ms';
  const runs = of('forwarded').length;
  const socat = of('socat');
  const beside = { name: `${name}-socat`, what: `${what}: \`socat\` on loopback` };
  return [
    {
      name,
      what: `${what}: a forwarded port`,
      unit,
      ...firstAndRest(of('forwarded')),
      floor: median(of('link')),
      floorIs: "the same over the guest's link alone (`vm` API)",
      runs,
      ...(goal ? { goals: [goal] } : {}),
    },
    {
      name: `${name}-link`,
      what: `${what}: the guest's link alone`,
      unit,
      ...firstAndRest(of('link')),
      floor: median(of('raw')),
      floorIs: 'a raw TCP echo on loopback',
      runs,
    },
    socat.length > 0
      ? {
          ...beside,
          unit,
          ...firstAndRest(socat),
          floor: median(of('raw')),
          floorIs: 'a raw TCP echo on loopback',
          runs,
        }
      : { ...beside, notMeasured: 'socat is not installed' },
  ];
}

/** From a suspended VM to the first byte, beside a resume and the same request. */
async function wakeRow(lab: Lab, vm: Vm, { runs, signal }: Abortable & { runs: number }): Promise<Row> {
  const request = (): Promise<void> => visit(() => openTcp(vm.guest_ip ?? '', PORT));
  const resumes: number[] = [];
  const wakes = await repeat(runs, async () => {
    await resultOf(lab.client.suspendVm(vm.id, { signal }));
    resumes.push(
      await timed(async () => {
        await resultOf(lab.client.startVm(vm.id, { onlyResume: true, signal }));
        await request();
      }),
    );
    await resultOf(lab.client.suspendVm(vm.id, { signal }));
    return await timed(request);
  });
  return {
    name: 'wake-on-touch',
    what: 'a connection to a port of a suspended VM, to its first byte',
    unit: 'ms',
    ...firstAndRest(wakes),
    floor: median(resumes),
    floorIs: '`vm resume` and the same request',
    runs,
    goals: [{ ratio: 1.3 }],
  };
}

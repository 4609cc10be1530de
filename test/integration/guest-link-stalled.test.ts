import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { encodeJsonFrame, FRAME, frameHeader } from '../../src/protocol/exec-frames.ts';
import { type AgentLab, openAgentLab } from '../support/real-agent.ts';

const signal = neverAborts();
// The tests need not be root: commands run as the user of the tests.
const user = String(process.geteuid?.());

/** Nothing has moved for this long: the streams are as full as they get. */
const QUIET_MS = 300;

let lab: AgentLab;
/** A port of the guest whose program accepts connections and never reads from them. */
let deaf: net.Server;
let deafPort: number;

before(async () => {
  lab = await openAgentLab();
  deaf = net.createServer({ pauseOnConnect: true }, (socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  deafPort = (deaf.address() as net.AddressInfo).port;
  const big = join(lab.dir, 'big');
  await mkdir(big);
  await writeFile(join(big, 'file'), Buffer.alloc(8 * 1024 * 1024, 7));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  deaf.close();
});

/** Ways in which a stream gets stuck because its reader does not read. */
const STALLS: Record<string, (link: GuestAgent) => Promise<Readable | Duplex>> = {
  'a port of the guest that does not read': async (link) => {
    const stream = await link.tcp(deafPort, { signal });
    pour([Buffer.alloc(65_536)], stream);
    return stream;
  },
  'a command that does not read its input, and a host that ignores acknowledgements': async (link) => {
    const stream = await link.exec({ signal });
    stream.write(encodeJsonFrame(FRAME.start, { argv: ['sleep', '1000'], user }));
    pour([frameHeader(FRAME.stdin, 65_536), Buffer.alloc(65_536)], stream);
    return stream;
  },
  'a reader on the host that does not read the output of a command': async (link) => {
    const stream = await link.exec({ signal });
    stream.write(encodeJsonFrame(FRAME.start, { argv: ['yes'], user }));
    return stream;
  },
  'a reader on the host that does not read the files that it asked for': (link) =>
    link.getTar(join(lab.dir, 'big'), { signal }),
};

/** Writes `chunks` to `stream` again and again, as long as it accepts them. */
function pour(chunks: readonly Buffer[], stream: Duplex): void {
  const more = (): void => {
    while (chunks.map((chunk) => stream.write(chunk)).every(Boolean));
  };
  stream.on('drain', more);
  more();
}

/** Waits until the guest neither accepts nor sends more. */
async function untilStuck(streams: readonly (Readable | Duplex)[]): Promise<void> {
  const state = (): string =>
    streams
      .map((stream) => `${stream.readableLength} ${'writableLength' in stream ? stream.writableLength : 0}`)
      .join();
  for (let before = ''; before !== state(); ) {
    before = state();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

for (const [what, stall] of Object.entries(STALLS)) {
  for (const count of [4, 8, 64]) {
    test(`${count} streams stuck at ${what} do not block other requests`, { timeout: 60_000 }, async () => {
      await using agent = await lab.startAnother();
      await using link = await agent.connect();
      const streams = await Promise.all(Array.from({ length: count }, () => stall(link)));
      for (const stream of streams) stream.on('error', () => {});
      await untilStuck(streams);
      assert.equal((await link.health({ signal })).ready, true);
      const content = Buffer.alloc(1024 * 1024, 'x');
      const files = [{ path: '/etc/large', mode: 0o600, content }];
      assert.deepEqual((await link.personalise({ files }, { signal })).unwritten, []);
      const { stdout } = await link.run({ argv: ['wc', '-c'], user }, { signal, input: content });
      assert.equal(stdout.toString().trim(), String(content.length));
    });
  }
}

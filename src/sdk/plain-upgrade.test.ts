import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { neverAborts } from '../base/abort.ts';
import { plainUpgrade } from './plain-upgrade.ts';

const dir = mkdtempSync(join(tmpdir(), 'pu-'));
const socketPath = join(dir, 's');
let server: Server;
let serve: (socket: Socket) => void = () => {};

before(async () => {
  server = createServer((socket) => serve(socket.on('error', () => {})));
  server.listen(socketPath);
  await once(server, 'listening');
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const ask = (signal = neverAborts()): Promise<Socket | undefined> =>
  plainUpgrade({ socketPath, path: '/vms/web/tcp?port=22', upgrade: 'test', signal });

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: test\r\nconnection: Upgrade\r\n\r\n';

test('the stream begins right after the head, however that arrives, and goes both ways', async () => {
  for (const pieces of [[`${SWITCH}SSH-2.0`], [SWITCH, 'SSH-2.0'], [...SWITCH, ...'SSH-2.0']]) {
    let asked = '';
    serve = (socket) => {
      socket.setNoDelay(true);
      socket.on('data', (chunk: Buffer) => {
        asked += chunk.toString();
        if (asked.endsWith('\r\n\r\n')) for (const piece of pieces) socket.write(piece);
        if (asked.endsWith('hello')) socket.end(' there');
      });
    };
    const stream = await ask();
    assert.ok(stream);
    stream.write('hello');
    assert.equal(await text(stream), 'SSH-2.0 there');
    assert.match(asked, /^POST \/v1\/vms\/web\/tcp\?port=22 HTTP\/1\.1\r\n[\s\S]*\r\nupgrade: test\r\n/);
  }
});

test('a refusal, an endless head, and an end are no stream, and leave none open', async () => {
  for (const answer of ['HTTP/1.1 404 No\r\n\r\n', 'x'.repeat(20_000), '']) {
    const closed = Promise.withResolvers<void>();
    serve = (socket) => {
      socket.once('data', () => (answer === '' ? socket.end() : socket.write(answer)));
      socket.once('close', () => closed.resolve());
    };
    assert.equal(await ask(), undefined);
    await closed.promise;
  }
});

test('an abort ends the wait and, later, the stream', async () => {
  serve = () => {};
  const waiting = new AbortController();
  const asked = ask(waiting.signal);
  setImmediate(() => waiting.abort());
  await assert.rejects(asked, { name: 'AbortError' });
  serve = (socket) => socket.write(SWITCH);
  const later = new AbortController();
  const stream = await ask(later.signal);
  assert.ok(stream);
  later.abort();
  await once(stream, 'close');
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { breakSocket } from './break-socket.ts';

describe('breakSocket', () => {
  let server: ReturnType<typeof createServer>;
  let client: Socket;
  let socket: Socket;

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address && typeof address === 'object');
    const accepted = once(server, 'connection');
    client = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
    client.on('error', () => {});
    const connected = once(client, 'connect');
    [socket] = (await accepted) as [Socket];
    await connected;
    socket.on('error', () => {});
  });

  afterEach(() => {
    client.destroy();
    server.close();
  });

  const codeAtClient = async (): Promise<string | undefined> => {
    client.resume();
    // Not `once`, which rejects at the error that is looked for.
    if (!client.closed) await new Promise((closed) => client.on('close', closed));
    const { errored } = client as { errored: NodeJS.ErrnoException | null };
    return errored?.code;
  };

  test('the peer gets a reset', async () => {
    socket.write('something');
    breakSocket(socket);
    assert.equal(await codeAtClient(), 'ECONNRESET');
    assert.equal(socket.closed, true);
  });

  test('what was not sent yet is lost when the peer does not read', async () => {
    socket.end(Buffer.alloc(50_000_000));
    breakSocket(socket);
    await once(socket, 'close');
    assert.equal(await codeAtClient(), 'ECONNRESET');
  });

  for (const [when, tick] of [
    ['at once', (then: () => void) => then()],
    ['in the same turn of the event loop', process.nextTick],
    ['in the next', setImmediate],
    ['when the end has been sent', (then: () => void) => void socket.once('finish', then)],
  ] as const) {
    test(`a socket that was ended closes when it is broken ${when}, and its last bytes arrive`, async () => {
      let received = '';
      client.on('data', (chunk) => {
        received += chunk;
      });
      const isRead = once(client, 'data');
      socket.write('last words');
      await isRead;
      socket.end();
      tick(() => breakSocket(socket));
      // An end that libuv is about to send once left the socket open for ever, and without an event.
      if (!socket.closed) await once(socket, 'close');
      assert.equal(received, 'last words');
    });
  }

  test('does nothing to a closed socket', async () => {
    socket.destroy();
    await once(socket, 'close');
    breakSocket(socket);
  });
});

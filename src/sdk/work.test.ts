import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createRawServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../base/errors.ts';
import { text } from '../base/json-schema/build.ts';
import { openWork, resultOf, type WorkNews, type WorkRequest } from './work.ts';

const NEVER = new AbortController().signal;

function requestWith(signal: AbortSignal = NEVER): WorkRequest<string> {
  return { method: 'POST', path: '/vms', body: { name: 'a' }, signal, result: text() };
}

describe('openWork()', () => {
  let folder: string;
  let socketPath: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sdk-'));
    socketPath = join(folder, 's');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function serve(answer: (response: ServerResponse) => void): Promise<AsyncDisposable> {
    const server = createServer((_request, response) => answer(response));
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    return {
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  const lines = (...values: unknown[]): string =>
    values.map((value) => `${JSON.stringify(value)}\n`).join('');
  const work = (signal?: AbortSignal) => openWork({ socketPath }, requestWith(signal));

  test('yields the steps in order and then the result', async () => {
    await using _server = await serve((response) =>
      response.end(
        lines(
          { event: 'progress', stage: 'boot', elapsedMs: 3 },
          { event: 'notice', message: 'no KVM' },
          { event: 'result', value: 'done' },
        ),
      ),
    );
    const news: WorkNews[] = [];
    assert.equal(await resultOf(work(), (step) => news.push(step)), 'done');
    assert.deepEqual(
      news.map(({ event }) => event),
      ['progress', 'notice'],
    );
  });

  test('skips unknown events and empty lines', async () => {
    await using _server = await serve((response) =>
      response.end(
        `${lines({ event: 'confetti', amount: 3 })}\n\r\n${lines({ event: 'result', value: 'x' })}`,
      ),
    );
    assert.equal(await resultOf(work()), 'x');
  });

  test('throws the error that the work ended with, with code, hint, details and causes', async () => {
    await using _server = await serve((response) =>
      response.end(
        lines({
          event: 'error',
          error: {
            code: 'VM_NAME_TAKEN',
            message: 'taken',
            hint: 'another',
            details: { a: 1 },
            causes: ['x', 'y'],
          },
        }),
      ),
    );
    const error = await resultOf(work()).catch((e: unknown) => e);
    assert.ok(error instanceof AppError);
    assert.deepEqual(
      [error.code, error.message, error.hint, error.details],
      ['VM_NAME_TAKEN', 'taken', 'another', { a: 1 }],
    );
    assert.equal((error.cause as Error).message, 'x');
    assert.equal(((error.cause as Error).cause as Error).message, 'y');
  });

  test('throws the error of an answer that is not a stream', async () => {
    await using _server = await serve((response) => {
      response.writeHead(409);
      response.end(JSON.stringify({ code: 'VM_NAME_TAKEN', message: 'taken' }));
    });
    await assert.rejects(resultOf(work()), { code: 'VM_NAME_TAKEN' });
  });

  test('fails with DAEMON_LOST when the stream ends, or breaks, without a last line', async () => {
    for (const end of [
      (r: ServerResponse) => r.end(lines({ event: 'notice', message: 'hm' })),
      (r: ServerResponse) => {
        r.write(lines({ event: 'notice', message: 'hm' }));
        setTimeout(() => r.destroy(), 5);
      },
      (r: ServerResponse) => r.end('{"event":"resu'),
    ]) {
      await using _server = await serve(end);
      await assert.rejects(resultOf(work()), { code: 'DAEMON_LOST' });
    }
  });

  test('fails with DAEMON_PROTOCOL on a malformed event', async () => {
    for (const text of [
      'hello\n',
      '[]\n',
      'null\n',
      lines({ event: 7 }),
      lines({ event: 'progress' }),
      lines({ event: 'spec', name: 'a', image: 'b', shape: { vcpuCount: 'two' } }),
      lines({ event: 'result', value: 3 }),
      lines({ event: 'error', error: 'oh' }),
    ]) {
      await using _server = await serve((response) => response.end(text));
      await assert.rejects(resultOf(work()), { code: 'DAEMON_PROTOCOL' }, text);
    }
  });

  test('fails with DAEMON_UNREACHABLE when nothing listens', async () => {
    await assert.rejects(resultOf(work()), { code: 'DAEMON_UNREACHABLE' });
  });

  test('does not start if the signal has already aborted', async () => {
    await assert.rejects(resultOf(work(AbortSignal.abort(new Error('no')))), { message: 'no' });
  });

  test('hangs up when the signal aborts, throws its reason, and leaves no listener on it', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await using _server = await serve((response) => {
      response.once('close', resolve);
      response.write(lines({ event: 'notice', message: 'begun' }));
    });
    const controller = new AbortController();
    await assert.rejects(
      resultOf(work(controller.signal), () => controller.abort(new Error('enough'))),
      { message: 'enough' },
    );
    await closed;
    assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
  });

  test('hangs up when the loop is left early', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await using _server = await serve((response) => {
      response.once('close', resolve);
      response.write(lines({ event: 'notice', message: 'begun' }));
    });
    for await (const _step of work()) break;
    await closed;
  });

  test('fails only with an AppError, whatever bytes it receives', async () => {
    let answer: Uint8Array = new Uint8Array();
    const sockets = new Set<Socket>();
    const server = createRawServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('data', () => socket.end(answer));
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const header = 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n';
    const json = fc.json().map((text) => Buffer.from(`${header}${text}\n`));
    const event = fc
      .record({
        event: fc.constantFrom('result', 'error', 'spec', 'progress', 'notice'),
        value: fc.anything(),
        error: fc.anything(),
      })
      .map((value) => Buffer.from(`${header}${JSON.stringify(value)}\n`));
    const bytes = fc.uint8Array({ maxLength: 300 });
    const unasked = fc.constant(
      Buffer.from('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: x\r\n\r\n'),
    );
    const inBody = bytes.map((body) => Buffer.concat([Buffer.from(header), body]));
    try {
      await fc.assert(
        fc.asyncProperty(fc.oneof(bytes, inBody, json, event, unasked), async (sent) => {
          answer = sent;
          const outcome = await resultOf(work()).catch((error: unknown) => error);
          assert.ok(typeof outcome === 'string' || outcome instanceof AppError, String(outcome));
        }),
        { numRuns: 300 },
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

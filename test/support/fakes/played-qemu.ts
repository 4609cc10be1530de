import type { Duplex } from 'node:stream';
import { LineSplitter } from '../../../src/base/text/line-splitter.ts';

/** A request to QEMU. */
export interface QmpRequest {
  execute: string;
  arguments: Record<string, unknown>;
  id: number;
}

/**
 * Plays QEMU's control connection on `stream`: greets, takes the handshake, and hands every other request to
 * `onRequest`.
 */
export function playQemu(stream: Duplex, onRequest: (request: QmpRequest) => void): void {
  const lines = new LineSplitter();
  stream.on('error', () => {});
  stream.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
  stream.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) {
      const request = JSON.parse(line) as QmpRequest;
      if (request.execute === 'qmp_capabilities') answer(stream, request, {});
      else onRequest(request);
    }
  });
}

/** Answers the request with `value`. */
export function answer(stream: Duplex, { id }: Pick<QmpRequest, 'id'>, value: unknown): void {
  stream.write(`${JSON.stringify({ return: value, id })}\r\n`);
}

/** Rejects the request with an error, as QEMU does for a missing or unsuitable device. */
export function refuse(stream: Duplex, { id }: Pick<QmpRequest, 'id'>): void {
  stream.write(`${JSON.stringify({ error: { class: 'GenericError', desc: 'refused' }, id })}\r\n`);
}

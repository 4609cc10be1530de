import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { PortStream } from './port-stream.ts';

const listenerArb = fc.record({
  address: fc.constantFrom('0.0.0.0', '127.0.0.1', '::', '::1', '10.0.2.15'),
  port: fc.integer({ min: 1, max: 40 }),
});
const changeArb = fc.record(
  { opened: fc.array(listenerArb, { maxLength: 20 }), closed: fc.array(listenerArb, { maxLength: 20 }) },
  { requiredKeys: [] },
);

/** The ports after the last line of a part; `undefined` when it completes none. */
function push(stream: PortStream, chunk: Buffer): ReadonlySet<number> | undefined {
  return stream
    .split(chunk)
    .map((line) => stream.read(line))
    .at(-1);
}

function read(bytes: Buffer, cuts: readonly number[] = []): (readonly number[])[] {
  const stream = new PortStream('test');
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const seen: number[][] = [];
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    const ports = push(stream, bytes.subarray(from, end));
    if (ports) seen.push([...ports]);
    from = end;
  }
  const last = stream.end();
  if (last) seen.push([...last]);
  return seen;
}

test('however the bytes are cut, the ports at the end are those of all changes', () => {
  fc.assert(
    fc.property(fc.array(changeArb, { minLength: 1 }), fc.array(fc.nat()), (changes, cuts) => {
      const open = new Set<string>();
      for (const { opened = [], closed = [] } of changes) {
        for (const { address, port } of closed) open.delete(`${address} ${port}`);
        for (const { address, port } of opened) open.add(`${address} ${port}`);
      }
      const bytes = Buffer.from(changes.map((change) => `${JSON.stringify(change)}\n`).join(''));
      const expected = [...new Set([...open].map((key) => Number(key.split(' ')[1])))].sort((a, b) => a - b);
      assert.deepEqual(
        [...(read(bytes, cuts).at(-1) ?? [])].sort((a, b) => a - b),
        expected,
      );
    }),
  );
});

test('any bytes are read as ports or refused as a broken protocol', () => {
  const json = fc.json().map((text) => Buffer.from(`${text}\n`));
  const bytes = fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(json, bytes), fc.array(fc.nat()), (input, cuts) => {
      try {
        for (const port of read(input, cuts).flat()) assert.ok(port >= 1 && port <= 65_535);
      } catch (error) {
        assert.ok(isAppError(error, 'GUEST_PROTOCOL'), String(error));
      }
    }),
  );
});

test('more listeners than the limit are ignored, and an endless line is refused', () => {
  const stream = new PortStream('test');
  const opened = (from: number): Buffer => {
    const all = Array.from({ length: 1_000 }, (_, at) => ({ address: '0.0.0.0', port: from + at }));
    return Buffer.from(`${JSON.stringify({ opened: all })}\n`);
  };
  push(stream, opened(1));
  assert.equal(push(stream, opened(2_000))?.size, 1_024);
  const many = { opened: Array.from({ length: 1_025 }, () => ({ address: '0.0.0.0', port: 1 })) };
  assert.throws(() => push(stream, Buffer.from(`${JSON.stringify(many)}\n`)), { code: 'GUEST_PROTOCOL' });
  assert.throws(() => push(new PortStream('test'), Buffer.alloc(256 * 1024 + 1, 32)), {
    code: 'GUEST_PROTOCOL',
  });
});

test('the one list of an agent that does not watch is understood', () => {
  const ports = [
    { proto: 'tcp', address: '0.0.0.0', port: 22, pid: 7, process: 'sshd' },
    { proto: 'udp', address: '0.0.0.0', port: 53 },
    { proto: 'tcp', address: '::', port: 22 },
  ];
  assert.deepEqual(read(Buffer.from(JSON.stringify({ ports }))), [[22]]);
});

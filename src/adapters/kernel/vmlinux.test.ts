import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { unpackLz4Legacy } from './lz4.ts';
import { extractVmlinux } from './vmlinux.ts';

const ELF = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.from('kernel '.repeat(1000))]);

/** A bzImage with only the fields of the header that describe the payload. */
function bzImage(payload: Buffer): Buffer {
  const setup = Buffer.alloc(2 * 512 + 64);
  setup[0x1f1] = 1;
  setup.write('HdrS', 0x202, 'latin1');
  setup.writeUInt16LE(0x020f, 0x206);
  setup.writeUInt32LE(64, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, payload, Buffer.alloc(100)]);
}

function withSize(payload: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(ELF.length);
  return Buffer.concat([payload, size]);
}

/** A handmade legacy frame: 11 literals, then a match of distance 7 that overlaps itself, then 5 literals. */
function lz4Frame(): Buffer {
  const matched = ELF.length - 11 - 5;
  const extra = matched - 4 - 15;
  const lengths = [...Array(Math.floor(extra / 255)).fill(255), extra % 255];
  const block = Buffer.concat([
    Buffer.from([(11 << 4) | 15]),
    ELF.subarray(0, 11),
    Buffer.from([7, 0, ...lengths]),
    Buffer.from([5 << 4]),
    ELF.subarray(ELF.length - 5),
  ]);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184c2102, 0);
  head.writeUInt32LE(block.length, 4);
  return Buffer.concat([head, block]);
}

test('the ELF kernel is found in a bzImage packed with gzip, zstd or LZ4', async () => {
  assert.deepEqual(await extractVmlinux(bzImage(gzipSync(ELF))), ELF);
  assert.deepEqual(await extractVmlinux(bzImage(withSize(zstdCompressSync(ELF)))), ELF);
  assert.deepEqual(await extractVmlinux(bzImage(withSize(lz4Frame()))), ELF);
});

test('extractVmlinux() returns undefined for a file that is not a bzImage or has an unknown compression', async () => {
  assert.equal(await extractVmlinux(Buffer.alloc(0)), undefined);
  assert.equal(await extractVmlinux(Buffer.alloc(4096)), undefined);
  assert.equal(await extractVmlinux(bzImage(deflateRawSync(ELF))), undefined);
  assert.equal(await extractVmlinux(bzImage(gzipSync(Buffer.from('not a kernel')))), undefined);
});

test('any bytes in a frame either unpack or are reported as damaged', async () => {
  const magic = Buffer.from([2, 0x21, 0x4c, 0x18]);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(bytes.length);
      try {
        await unpackLz4Legacy(Buffer.concat([magic, size, bytes]));
      } catch (error) {
        assert.ok(isAppError(error, 'KERNEL_FORMAT_DAMAGED'), String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('a truncated frame is damaged', async () => {
  const frame = lz4Frame();
  for (const length of [3, 7, 12, 20, frame.length - 1]) {
    await assert.rejects(unpackLz4Legacy(frame.subarray(0, length)), (error) =>
      isAppError(error, 'KERNEL_FORMAT_DAMAGED'),
    );
  }
});

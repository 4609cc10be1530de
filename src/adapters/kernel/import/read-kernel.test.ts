import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  fakeBzImage,
  fakeImage,
  fakeVmlinux,
  fakeZboot,
} from '../../../../test/support/fakes/fake-kernels.ts';
import { isZlibError } from '../vmlinux.ts';
import { hasPvhEntry } from './elf.ts';
import { type ReadKernel, readKernel } from './read-kernel.ts';

const KERNEL = { release: '6.12.0-test', config: 'CONFIG_UNIX=y\n' };
const ARM64 = 183;

const FILES: readonly [string, Buffer, ReadKernel['arch']][] = [
  ['a vmlinux', fakeVmlinux(KERNEL), 'amd64'],
  ['a vmlinux of arm64', fakeVmlinux(KERNEL, { machine: ARM64 }), 'arm64'],
  ['a bzImage', fakeBzImage(KERNEL), 'amd64'],
  ['an arm64 Image', fakeImage(KERNEL), 'arm64'],
  ['an arm64 Image, compressed with gzip', gzipSync(fakeImage(KERNEL)), 'arm64'],
  ['an arm64 Image, packed as an EFI program', fakeZboot(KERNEL), 'arm64'],
];

for (const [what, file, arch] of FILES) {
  test(`${what} says its architecture, release and options`, async () => {
    const { file: booted, ...said } = (await readKernel(file)) ?? { file };
    assert.deepEqual(said, { arch, ...KERNEL });
    assert.ok(arch === 'amd64' || booted.includes('Linux version 6.12.0-test'));
  });
}

test('a kernel need not contain its options', async () => {
  const { config } = (await readKernel(fakeBzImage({ release: '6.1.0' }))) ?? {};
  assert.equal(config, undefined);
});

test('other files are no kernels', async () => {
  for (const file of [
    Buffer.alloc(0),
    Buffer.alloc(8192),
    Buffer.from('#!/bin/sh\n'),
    fakeVmlinux(KERNEL, { machine: 8 }),
  ]) {
    assert.equal(await readKernel(file), undefined);
  }
});

test('the PVH entry of an ELF kernel is found among its notes', () => {
  assert.ok(hasPvhEntry(fakeVmlinux(KERNEL)));
  assert.ok(!hasPvhEntry(fakeVmlinux(KERNEL, { hasPvh: false })));
  assert.ok(!hasPvhEntry(fakeImage(KERNEL)));
});

test('damage makes another kernel, none, or an error of zlib', async () => {
  const files = FILES.map(([, file]) => file);
  const damage = fc.array(fc.tuple(fc.nat({ max: 2000 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), damage, fc.nat(), async (whole, changes, end) => {
      const file = Buffer.from(whole.subarray(0, end % 2 === 0 ? whole.length : end % whole.length));
      for (const [at, value] of changes) if (at < file.length) file[at] = value;
      try {
        const kernel = await readKernel(file);
        hasPvhEntry(kernel?.file ?? file);
      } catch (error) {
        assert.ok(
          isZlibError(error) || (error as { code?: string }).code === 'KERNEL_FORMAT_DAMAGED',
          String(error),
        );
      }
    }),
  );
});

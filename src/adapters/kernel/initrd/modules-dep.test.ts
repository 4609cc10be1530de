import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppError, isAppError } from '../../../base/errors.ts';
import { loadOrder, moduleName, parseModulesBuiltin, parseModulesDep } from './modules-dep.ts';

const DEP = `kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/char/hw_random/virtio-rng.ko.zst: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko

kernel/drivers/md/dm-mod.ko.xz:
`;

test('parseModulesDep() reads names, paths and dependencies', () => {
  const modules = parseModulesDep(DEP);
  assert.deepEqual([...modules.keys()], ['virtio_ring', 'virtio', 'virtio_rng', 'dm_mod']);
  assert.deepEqual(modules.get('virtio_rng'), {
    name: 'virtio_rng',
    path: 'kernel/drivers/char/hw_random/virtio-rng.ko.zst',
    needs: ['virtio', 'virtio_ring'],
  });
});

test('parseModulesDep() refuses malformed lines, and paths that leave the folder', () => {
  for (const text of ['no colon', '/lib/a.ko:', '../a.ko:', 'a.ko: ../b.ko', 'a.txt:', ': a.ko', 'a.ko: b']) {
    assert.throws(
      () => parseModulesDep(text),
      (error) => isAppError(error, 'KERNEL_MODULES_DAMAGED'),
      text,
    );
  }
});

test('loadOrder() puts each module after its dependencies, and treats "-" as "_"', () => {
  const order = loadOrder(parseModulesDep(DEP), ['dm_mod', 'virtio-rng', 'not-listed', 'virtio_ring']);
  assert.deepEqual(
    order.map((module) => module.name),
    ['dm_mod', 'virtio_ring', 'virtio', 'virtio_rng'],
  );
});

test('loadOrder() refuses a cycle and a missing module', () => {
  for (const text of ['a.ko: b.ko\nb.ko: a.ko\n', 'a.ko: a.ko\n', 'a.ko: gone.ko\n']) {
    assert.throws(
      () => loadOrder(parseModulesDep(text), ['a']),
      (error) => isAppError(error, 'KERNEL_MODULES_DAMAGED'),
    );
  }
});

test('loadOrder() puts every dependency before its dependent, for any modules', () => {
  // Module i may depend on any module before it, so there is no cycle.
  const needs = fc.array(fc.uniqueArray(fc.nat(30), { maxLength: 5 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(needs, fc.array(fc.nat(40)), (lists, wanted) => {
      const lines = lists.map((list, i) => {
        const needed = list.filter((n) => n < i).map((n) => `dir/m-${n}.ko`);
        return `dir/m-${i}.ko: ${needed.join(' ')}`;
      });
      const order = loadOrder(
        parseModulesDep(lines.join('\n')),
        wanted.map((n) => `m_${n}`),
      );
      const seen = new Set<string>();
      for (const module of order) {
        assert.ok(module.needs.every((name) => seen.has(name)));
        assert.ok(!seen.has(module.name));
        seen.add(module.name);
      }
      for (const n of wanted) assert.equal(seen.has(`m_${n}`), n < lists.length);
    }),
  );
});

test('parseModulesDep() parses any text or throws an AppError', () => {
  const line = fc.oneof(fc.string(), fc.stringMatching(/^[a-c./: ko-]{0,20}$/));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        const modules = parseModulesDep(lines.join('\n'));
        for (const { path } of modules.values())
          assert.ok(!path.startsWith('/') && !path.split('/').includes('..'));
      } catch (error) {
        assert.ok(error instanceof AppError);
      }
    }),
  );
});

test('parseModulesBuiltin() returns the names', () => {
  assert.deepEqual(
    parseModulesBuiltin('kernel/fs/ext4/ext4.ko\nkernel/lib/crc-t10dif.ko\n'),
    new Set(['ext4', 'crc_t10dif']),
  );
});

test('moduleName() removes folders and suffixes', () => {
  assert.equal(moduleName('kernel/x/dm-mod.ko.zst'), 'dm_mod');
  assert.equal(moduleName('virtio-rng'), 'virtio_rng');
});

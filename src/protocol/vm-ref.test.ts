import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../base/errors.ts';
import { checkVmRef, resolveVmRef } from './vm-ref.ts';

const VMS = [
  { id: 'aa11', name: 'web' },
  { id: 'aa22', name: 'db' },
  { id: 'bb33', name: 'aa11' },
  { id: 'cc44', name: 'bb' },
];

test('a VM is meant by its id, its name, or the start of its id that no other has', () => {
  for (const [ref, id] of [
    ['web', 'aa11'],
    ['aa22', 'aa22'],
    ['aa2', 'aa22'],
    ['c', 'cc44'],
  ] as const) {
    assert.equal(resolveVmRef(VMS, ref).id, id, ref);
  }
});

test('an id wins over a name, and a name over the start of an id', () => {
  assert.equal(resolveVmRef(VMS, 'aa11').name, 'web');
  assert.equal(resolveVmRef(VMS, 'bb').id, 'cc44');
});

test('a start of several ids lists whom it may mean', () => {
  assert.throws(() => resolveVmRef(VMS, 'aa'), {
    code: 'VM_REF_AMBIGUOUS',
    message: 'Cannot tell which vm "aa" is: 2 VMs have ids that start with it',
    hint: 'use one of web (aa11), db (aa22)',
    details: {
      candidates: [
        { id: 'aa11', name: 'web' },
        { id: 'aa22', name: 'db' },
      ],
    },
  });
});

test('of very many candidates the hint names the first, and the details all', () => {
  const many = Array.from({ length: 30 }, (_, at) => ({ id: `f${at + 10}`, name: `vm-${at}` }));
  assert.throws(
    () => resolveVmRef(many, 'f'),
    (error) => {
      assert.ok(isAppError(error));
      assert.match(error.hint ?? '', /vm-9 \(f19\), and 20 more$/);
      assert.deepEqual(error.details, { candidates: many.map(({ id, name }) => ({ id, name })) });
      return true;
    },
  );
});

test('nobody is meant by what nobody has, nor by an empty text', () => {
  for (const ref of ['x', '', 'aa111']) {
    assert.throws(() => resolveVmRef(VMS, ref), { code: 'VM_NOT_FOUND' });
  }
});

test('what can be neither a name nor an id is refused', () => {
  for (const ref of ['web', 'a', '0-9', 'a'.repeat(63)]) checkVmRef(ref);
  for (const ref of ['', 'A', 'a b', '../x', 'a/b', 'a%', 'a'.repeat(64), 'é', 'a\n']) {
    assert.throws(() => checkVmRef(ref), { code: 'VM_REF_INVALID', details: { field: 'ref', value: ref } });
  }
});

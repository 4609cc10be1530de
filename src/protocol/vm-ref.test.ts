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

test('a VM is found by its id, its name, or a unique start of its id', () => {
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

test('the error for an ambiguous start of an id lists the candidates', () => {
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

test('with very many candidates the hint names the first ones, and the details all', () => {
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

test('an unknown or empty reference finds no VM', () => {
  for (const ref of ['x', '', 'aa111']) {
    assert.throws(() => resolveVmRef(VMS, ref), { code: 'VM_NOT_FOUND' });
  }
});

test('a reference that can be neither a name nor an id is refused', () => {
  for (const ref of ['web', 'a', '0-9', 'a'.repeat(63)]) checkVmRef(ref);
  for (const ref of ['', 'A', 'a b', '../x', 'a/b', 'a%', 'a'.repeat(64), 'é', 'a\n']) {
    assert.throws(() => checkVmRef(ref), { code: 'VM_REF_INVALID', details: { field: 'ref', value: ref } });
  }
});

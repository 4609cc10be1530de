import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkUserName, homeOf, ordinaryUser, workspaceOf } from './guest-user.ts';

test('names that useradd accepts are names for a user of a VM', () => {
  for (const name of ['dev', '_a', 'a-1_b', 'root', 'a'.repeat(32)]) {
    assert.equal(checkUserName(name, '--user'), name);
  }
});

test('all other names are refused with the allowed form', () => {
  for (const name of ['', '..', '1000', 'a b', 'Dev', '-dev', 'a/b', 'a:b', 'dev\n', 'a.b', 'dév', '$(id)']) {
    assert.throws(() => checkUserName(name, '--user'), {
      code: 'VM_USER_INVALID',
      message: /for --user: it is not a name/,
      hint: /1 to 32 of a-z, 0-9, '_' and '-'/,
      details: { field: 'user', value: name },
    });
  }
  assert.throws(() => checkUserName('a'.repeat(33), 'vm_defaults.user'), /vm_defaults\.user/);
});

test('no name that is accepted ends a line, a field or a path', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (name) => {
      try {
        checkUserName(name, '--user');
      } catch {
        return;
      }
      assert.match(name, /^[a-z0-9_-]{1,32}$/);
      assert.doesNotMatch(name, /^[0-9-]/);
    }),
  );
});

test("the home of the VM's user is below /home, and root's is /root", () => {
  assert.equal(homeOf(undefined), '/root');
  assert.equal(homeOf('root'), '/root');
  assert.equal(workspaceOf('dev'), '/home/dev/repo');
  assert.equal(ordinaryUser('root'), undefined);
  assert.equal(ordinaryUser('dev'), 'dev');
});

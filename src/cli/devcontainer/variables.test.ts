// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of devcontainer.json
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { devcontainerIdOf, needsContainerEnv, withContainerEnv, withVariables } from './variables.ts';

const places = {
  localWorkspaceFolder: '/home/me/shop',
  containerWorkspaceFolder: '/workspaces/shop/web',
  devcontainerId: 'abc',
};
const env: Record<string, string> = { USER: 'me', EMPTY: '', NESTED: '${localEnv:USER}' };
const lookup = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
const replaced = (text: string) => withVariables(text, places, lookup);

test('variables of the specification are replaced, also several in a text', () => {
  assert.equal(
    replaced('${localWorkspaceFolder}:${containerWorkspaceFolder}'),
    '/home/me/shop:/workspaces/shop/web',
  );
  assert.equal(replaced('${localWorkspaceFolderBasename}/${containerWorkspaceFolderBasename}'), 'shop/web');
  assert.equal(replaced('${devcontainerId}'), 'abc');
  assert.equal(replaced('a${localEnv:USER}b${env:USER}'), 'amebme');
});

test('a variable that is not set is its default, which may have colons, or empty', () => {
  assert.equal(replaced('[${localEnv:NONE}]'), '[]');
  assert.equal(replaced('${localEnv:NONE:http://x:1}'), 'http://x:1');
  assert.equal(replaced('${localEnv:EMPTY:default}'), '');
  assert.equal(replaced('${localEnv:__proto__:none}'), 'none');
});

test('what is no variable of the file stays, and what one stands for is not looked at again', () => {
  for (const text of [
    '${HOME}',
    '$HOME',
    '${localEnv}',
    '${localEnv:}',
    '${x:y}',
    '${containerEnv:PATH}',
    '${',
    '}',
  ]) {
    assert.equal(replaced(text), text);
  }
  assert.equal(replaced('${localEnv:NESTED}'), '${localEnv:USER}');
});

test('texts are replaced at every depth, names of fields are not', () => {
  assert.deepEqual(
    withVariables({ '${devcontainerId}': ['${devcontainerId}', 1, null, true] }, places, lookup),
    {
      '${devcontainerId}': ['abc', 1, null, true],
    },
  );
});

test('variables of the container are replaced on their own', () => {
  const text = '${containerEnv:PATH}:/x:${containerEnv:NONE:y}:${localEnv:USER}';
  assert.ok(needsContainerEnv(text));
  assert.equal(needsContainerEnv('${containerEnv:}'), false);
  assert.equal(
    withContainerEnv(text, (name) => (name === 'PATH' ? '/bin' : undefined)),
    '/bin:/x:y:${localEnv:USER}',
  );
});

test('the id is the same for the same file, and 52 digits of base 32', () => {
  const id = devcontainerIdOf('/a', '.devcontainer.json');
  assert.match(id, /^[0-9a-v]{52}$/);
  assert.equal(devcontainerIdOf('/a', '.devcontainer.json'), id);
  assert.notEqual(devcontainerIdOf('/b', '.devcontainer.json'), id);
});

test('a text without variables of the file never changes', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!/\$\{(localEnv|env|localWorkspaceFolder|containerWorkspaceFolder|devcontainerId)/.test(text));
      assert.equal(replaced(text), text);
    }),
  );
  const words = fc.constantFrom('${', '}', 'localEnv', ':', 'USER', 'x', '$', 'containerEnv', '{');
  fc.assert(fc.property(fc.array(words), (parts) => typeof replaced(parts.join('')) === 'string'));
});

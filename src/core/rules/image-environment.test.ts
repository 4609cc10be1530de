import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { imageEnvironmentFiles, runConfigOf, withVariables } from './image-environment.ts';

const textOf = (env: string[], path: string): string =>
  Buffer.from(imageEnvironmentFiles({ env }).find((file) => file.path === path)?.content ?? []).toString();
const PROFILE = '/etc/profile.d/banger-image.sh';

test('an image without variables adds no files, and a VM keeps nothing of an empty configuration', () => {
  assert.deepEqual(imageEnvironmentFiles({}), []);
  assert.deepEqual(imageEnvironmentFiles({ env: ['no assignment', '=x', '1=x', 'a b=c'] }), []);
  assert.equal(
    runConfigOf({ env: [], cmd: [], user: '', labels: { a: 'b' }, exposedPorts: ['80/tcp'] }),
    undefined,
  );
  assert.deepEqual(runConfigOf({ env: ['A=b'], cmd: ['sh'], labels: { a: 'b' } }), {
    env: ['A=b'],
    cmd: ['sh'],
  });
});

test('the agent gets every variable, sshd and login shells those of one line', () => {
  const env = ['PATH=/opt/bin:/bin', 'EMPTY=', 'TWO=a\nb', 'QUOTED=a"b\\c'];
  assert.equal(textOf(env, '/run/banger/image-env'), env.map((one) => `${one}\0`).join(''));
  assert.equal(
    textOf(env, '/etc/ssh/sshd_config.d/50-banger-image.conf'),
    'SetEnv "PATH=/opt/bin:/bin" "EMPTY=" "QUOTED=a\\"b\\\\c"\n',
  );
  assert.doesNotMatch(textOf(env, PROFILE), /TWO/);
});

test("a login shell has the image's PATH, and keeps the caller's other variables", () => {
  const profile = textOf(['PATH=/opt/bin:/bin', 'A=image', 'B=image'], PROFILE);
  const out = execFileSync('/bin/sh', ['-c', `${profile}echo "$PATH $A $B"`], {
    env: { PATH: '/x', A: 'own' },
  });
  assert.equal(out.toString(), '/opt/bin:/bin own image\n');
});

test('a shell reads any value back unchanged', () => {
  const value = fc.stringMatching(/^[^\0\r\n]*$/);
  const check = (wanted: string): void => {
    const profile = textOf([`A=${wanted}`], PROFILE);
    const out = execFileSync('/bin/sh', ['-c', `${profile}printf %s "$A"`], { env: {} });
    assert.equal(out.toString(), wanted);
  };
  fc.assert(fc.property(value, check), { numRuns: 30, examples: [["'"], ["a'b\\"], ['$(id)`id`"']] });
});

test('variables of a VM take the place of those of its image with the same names', () => {
  const config = { env: ['PATH=/bin', 'A=1'], user: 'app' };
  assert.deepEqual(withVariables(config, ['A=2', 'B=x=y']), {
    env: ['PATH=/bin', 'A=2', 'B=x=y'],
    user: 'app',
  });
  assert.equal(withVariables(config), config);
  assert.deepEqual(withVariables({}, ['A=1']), { env: ['A=1'] });
});

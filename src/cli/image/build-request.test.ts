import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../../base/errors.ts';
import { buildRequest, type DockerfileOptions, meansDockerfile, requireDockerfile } from './build-request.ts';

const NONE: DockerfileOptions = { buildArg: [], secret: [], nat: false, noCache: false };
const PLACE = { cwd: '/work/My Project', env: { TOKEN: 'of the environment' } };

test('a folder or --file means a Dockerfile, a word an image', () => {
  assert.equal(meansDockerfile(undefined, NONE), false);
  assert.equal(meansDockerfile('debian-bookworm', NONE), false);
  for (const folder of ['.', './x', '/x', '..//']) assert.equal(meansDockerfile(folder, NONE), true, folder);
  assert.equal(meansDockerfile(undefined, { ...NONE, file: 'x' }), true);
});

test('paths are relative to the current folder, and the name is that of the context', () => {
  assert.deepEqual(buildRequest('.', NONE, PLACE), {
    context: '/work/My Project',
    dockerfile: '/work/My Project/Dockerfile',
    name: 'my-project',
  });
  const options = { ...NONE, file: 'ci/D', name: 'app', target: 'test', nat: true, noCache: true };
  assert.deepEqual(buildRequest('/src', options, PLACE), {
    context: '/src',
    dockerfile: '/work/My Project/ci/D',
    name: 'app',
    target: 'test',
    nat: true,
    noCache: true,
  });
  assert.throws(() => buildRequest('/', NONE, PLACE), { code: 'IMAGE_NAME_INVALID' });
});

test('build arguments and secrets are parsed', () => {
  const buildArg = ['A=b=c', 'EMPTY=', 'TOKEN', 'MISSING'];
  const secret = ['id=a,src=x', 'type=file,id=b,source=/y', 'id=c'];
  const request = buildRequest('.', { ...NONE, buildArg, secret }, PLACE);
  assert.deepEqual(request.buildArgs, [
    { name: 'A', value: 'b=c' },
    { name: 'EMPTY', value: '' },
    { name: 'TOKEN', value: 'of the environment' },
  ]);
  assert.deepEqual(request.secrets, [
    { id: 'a', path: '/work/My Project/x' },
    { id: 'b', path: '/y' },
    { id: 'c', path: '/work/My Project/c' },
  ]);
  for (const bad of ['=x', '1A=b', '']) {
    assert.throws(() => buildRequest('.', { ...NONE, buildArg: [bad] }, PLACE), {
      code: 'USAGE_OPTION_VALUE',
    });
  }
  for (const bad of ['', 'src=x', 'id=a/b', 'id=a,env=B', 'id=a,type=env']) {
    assert.throws(() => buildRequest('.', { ...NONE, secret: [bad] }, PLACE), { code: 'USAGE_OPTION_VALUE' });
  }
});

test('without a Dockerfile, what only counts for one is refused', () => {
  requireDockerfile(NONE);
  assert.throws(
    () => requireDockerfile({ ...NONE, nat: true, target: 'x' }),
    (error) => isAppError(error, 'USAGE_OPTIONS') && /--target, --nat/.test(error.message),
  );
});

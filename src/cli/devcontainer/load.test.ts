// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of devcontainer.json
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { type Devcontainer, type LoadOptions, loadDevcontainer, requireRunnable } from './load.ts';

let dir: string;
let repo: string;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'load-')));
  repo = join(dir, 'shop');
  mkdirSync(join(repo, '.git'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true }));

function put(path: string, content: unknown): void {
  const file = join(repo, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}
function load(path = '.', options: Partial<LoadOptions> = {}): Devcontainer {
  const usual = { skipped: [], isInitializeAllowed: false, givenEnv: {}, env: {} };
  return loadDevcontainer(join(repo, path), { ...usual, ...options });
}
const fails = (code: string, path?: string, options?: Partial<LoadOptions>): void =>
  assert.throws(
    () => load(path, options),
    (error) => isAppError(error, code),
    code,
  );

test('the file is found in its three places, the usual ones first', () => {
  fails('DEVCONTAINER_NOT_FOUND');
  put('.devcontainer/api/devcontainer.json', { image: 'api' });
  assert.equal(load().config.image, 'api');
  put('.devcontainer/web/devcontainer.json', { image: 'web' });
  fails('DEVCONTAINER_AMBIGUOUS');
  assert.equal(load('.', { name: 'web' }).config.image, 'web');
  fails('DEVCONTAINER_NOT_FOUND', '.', { name: 'none' });
  put('.devcontainer.json', { image: 'second' });
  assert.equal(load().config.image, 'second');
  put('.devcontainer/devcontainer.json', '{ "image": "first", } // the usual one');
  assert.equal(load().config.image, 'first');
  assert.equal(load('.', { name: 'api' }).config.image, 'api');
});

test('a folder without a file takes that of the nearest folder above, up to the top of the working tree', () => {
  writeFileSync(join(dir, '.devcontainer.json'), '{"image": "outside"}');
  mkdirSync(join(repo, 'packages/web'), { recursive: true });
  fails('DEVCONTAINER_NOT_FOUND', 'packages/web');
  put('.devcontainer.json', { image: 'top' });
  assert.equal(load('packages/web').workspaceFolder, '/workspaces/shop');
  put('packages/web/.devcontainer.json', {
    image: 'web',
    containerEnv: { AT: '${containerWorkspaceFolder}' },
  });
  const web = load('packages/web');
  assert.deepEqual(
    [web.copyTo, web.workspaceFolder, web.config.containerEnv],
    ['/workspaces/shop', '/workspaces/shop/packages/web', { AT: '/workspaces/shop/packages/web' }],
  );
});

test('a file that is a link out of the repository, no file, too large or no JSON is refused', () => {
  writeFileSync(join(dir, 'secret.json'), '{"image": "x"}');
  symlinkSync('../secret.json', join(repo, '.devcontainer.json'));
  fails('DEVCONTAINER_INVALID');
  rmSync(join(repo, '.devcontainer.json'));
  mkdirSync(join(repo, '.devcontainer.json'));
  fails('DEVCONTAINER_INVALID');
  rmSync(join(repo, '.devcontainer.json'), { recursive: true });
  for (const text of ['', '{', '[]', '"x"', `{"image": "x"}${' '.repeat(2 ** 20)}`, '{"a": '.repeat(100)]) {
    put('.devcontainer.json', text);
    fails('DEVCONTAINER_INVALID');
  }
});

test('the working tree goes where the file says, as long as that replaces nothing of the system', () => {
  const placed = (fields: object): (string | undefined)[] => {
    put('.devcontainer.json', { image: 'x', ...fields });
    const { copyTo, workspaceFolder, keys } = load();
    return [copyTo, workspaceFolder, keys.find(({ key }) => key.startsWith('workspace'))?.status];
  };
  assert.deepEqual(placed({ workspaceFolder: '/app/' }), ['/app', '/app', 'taken']);
  const mount = 'source=${localWorkspaceFolder},target=/work,type=bind,consistency=cached';
  assert.deepEqual(placed({ workspaceMount: mount, workspaceFolder: '/work/web' }), [
    '/work',
    '/work/web',
    'overridden',
  ]);
  assert.deepEqual(placed({ workspaceFolder: '/src/${localWorkspaceFolderBasename}' })[0], '/src/shop');
  for (const workspaceFolder of [
    '/',
    '/etc',
    '/root',
    '/usr/',
    '/proc/x',
    'app',
    '/a/../../etc',
    '/..',
    1,
    '/tmp/.',
  ]) {
    assert.equal(placed({ workspaceFolder })[2], 'refused', String(workspaceFolder));
  }
  for (const workspaceMount of [
    'source=/etc,target=/work,type=bind',
    'source=${localWorkspaceFolder}/..,target=/w',
    7,
  ]) {
    assert.equal(placed({ workspaceMount })[2], 'refused', String(workspaceMount));
  }
});

test('a variable of this shell is the guest’s only when it is given, or says nothing secret', () => {
  put('.devcontainer.json', {
    image: 'x',
    remoteEnv: {
      TOKEN: '${localEnv:TOKEN}',
      WHO: '${localEnv:USER}',
      NONE: '${localEnv:NONE:d}',
      OWN: '${localEnv:OWN}',
    },
  });
  const env = { TOKEN: 'secret', USER: 'me', OWN: 'mine' };
  const found = load('.', { env });
  assert.deepEqual(found.config.remoteEnv, { TOKEN: '', WHO: 'me', NONE: 'd', OWN: '' });
  assert.deepEqual(found.withheldEnv, ['OWN', 'TOKEN']);
  const given = load('.', { env, givenEnv: { TOKEN: 'secret', OWN: 'other' } });
  assert.deepEqual(given.config.remoteEnv, { TOKEN: 'secret', WHO: 'me', NONE: 'd', OWN: 'other' });
  assert.deepEqual(given.withheldEnv, []);
});

test('refused keys are reported together, and can be left out', () => {
  put('.devcontainer.json', { mounts: ['source=/,target=/host'], image: 'x', initializeCommand: 'x' });
  assert.throws(
    () => requireRunnable(load()),
    (error) =>
      isAppError(error, 'DEVCONTAINER_REFUSED') && /mounts: .*; initializeCommand: /.test(error.message),
  );
  requireRunnable(load('.', { skipped: ['mounts', 'initializeCommand'] }));
  fails('USAGE_OPTION_VALUE', '.', { skipped: ['mount'] });
  put('.devcontainer.json', { name: 'x' });
  assert.throws(() => requireRunnable(load()), /neither an image nor a Dockerfile/);
  assert.deepEqual(
    load().keys.map(({ key }) => key),
    ['name', 'image'],
  );
});

test('any file is read or refused with a code', () => {
  const keys = fc.constantFrom('image', 'workspaceFolder', 'workspaceMount', 'build', 'remoteEnv', 'x');
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('${localWorkspaceFolder}', '${containerWorkspaceFolder}', '/a/..'),
  );
  fc.assert(
    fc.property(fc.dictionary(keys, fc.oneof(text, fc.jsonValue({ maxDepth: 2 }))), (fields) => {
      put('.devcontainer.json', fields);
      const { copyTo, keys: found } = load();
      assert.ok(copyTo.startsWith('/') || found.some(({ status }) => status === 'refused'));
    }),
  );
});

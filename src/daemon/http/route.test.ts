import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { done } from '../../protocol/api/common.ts';
import { ROUTES } from '../routes.ts';
import { jsonRoute, matchRoute, operationKind } from './route.ts';

const route = (method: 'GET' | 'DELETE', path: string) =>
  jsonRoute({ method, path, summary: path, answer: done, run: () => ({}) });

const routes = [
  route('GET', '/vms'),
  route('GET', '/vms/:ref'),
  route('DELETE', '/vms/:ref'),
  route('GET', '/a/:x/b/:y'),
];

const found = (method: string | undefined, path: string) => {
  const match = matchRoute(routes, method, path);
  return match && [match.route.method, match.route.path, match.params];
};

test('a route is found by its method and path, with its decoded parameters', () => {
  assert.deepEqual(found('GET', '/vms'), ['GET', '/vms', {}]);
  assert.deepEqual(found('DELETE', '/vms/web'), ['DELETE', '/vms/:ref', { ref: 'web' }]);
  assert.deepEqual(found('GET', '/vms/a%2Fb%20c'), ['GET', '/vms/:ref', { ref: 'a/b c' }]);
  assert.deepEqual(found('GET', '/a/1/b/2'), ['GET', '/a/:x/b/:y', { x: '1', y: '2' }]);
});

for (const [method, path] of [
  ['PUT', '/vms'],
  [undefined, '/vms'],
  ['get', '/vms'],
  ['GET', ''],
  ['GET', '/'],
  ['GET', 'vms'],
  ['GET', '/vms/'],
  ['GET', '/vms//'],
  ['GET', '/VMS'],
  ['GET', '/vms/a/b'],
  ['GET', '/vms/%zz'],
  ['GET', '/vms/%ff'],
  ['GET', '/a/1/c/2'],
] as const) {
  test(`${method} "${path}" is not a route`, () => assert.equal(found(method, path), undefined));
}

test('the lookup never fails, whatever the method and path', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string({ unit: 'binary' }),
      (method, path) => void matchRoute(ROUTES, method, path),
    ),
  );
});

test('no request matches two routes of the API', () => {
  const shapes = ROUTES.map(({ method, path }) => `${method} ${path.replace(/:[a-z]+/g, ':')}`);
  assert.equal(new Set(shapes).size, shapes.length);
});

for (const [method, path, kind] of [
  ['POST', '/vms', 'vm.create'],
  ['POST', '/vms/:ref/start', 'vm.start'],
  ['DELETE', '/vms/:ref', 'vm.delete'],
  ['POST', '/images/:name/build', 'image.build'],
] as const) {
  test(`the work of ${method} ${path} is ${kind}`, () => {
    assert.equal(operationKind({ method, path }), kind);
  });
}

test('every operation of the API has its own kind', () => {
  const kinds = ROUTES.filter(({ kind }) => kind === 'work').map(operationKind);
  assert.ok(kinds.length > 5);
  assert.equal(new Set(kinds).size, kinds.length);
  for (const kind of kinds) assert.match(kind, /^[a-z]+(\.[a-z]+)+$/);
});

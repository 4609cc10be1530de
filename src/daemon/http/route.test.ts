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

test('a route is found by its method and path, and returns the variable parts, decoded', () => {
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
  test(`${method} "${path}" is no route`, () => assert.equal(found(method, path), undefined));
}

test('any method and path is a route or none, never a failure', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string({ unit: 'binary' }),
      (method, path) => void matchRoute(ROUTES, method, path),
    ),
  );
});

test('no two routes of the API can mean the same request', () => {
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

test('every piece of work of the API has a kind of its own', () => {
  const kinds = ROUTES.filter(({ kind }) => kind === 'work').map(operationKind);
  assert.ok(kinds.length > 5);
  assert.equal(new Set(kinds).size, kinds.length);
  for (const kind of kinds) assert.match(kind, /^[a-z]+(\.[a-z]+)+$/);
});

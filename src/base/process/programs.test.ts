import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findProgram, toolEnv } from './programs.ts';

test('toolEnv() adds the system folders and keeps the order of PATH', () => {
  assert.equal(toolEnv({ PATH: '/a:/usr/sbin:/b' })['PATH'], '/a:/usr/sbin:/b:/usr/local/sbin:/sbin');
});

test('toolEnv() keeps only the proxy settings of the caller', () => {
  const env = toolEnv({ PATH: '/a', https_proxy: 'p', NO_PROXY: 'n', SSL_CERT_FILE: 'x', PYTHONPATH: 'y' });
  assert.deepEqual(Object.keys(env).sort(), ['LC_ALL', 'NO_PROXY', 'PATH', 'https_proxy']);
});

test('findProgram() finds a system tool without a PATH, and nothing that does not exist', async () => {
  assert.match((await findProgram('sh', {})) ?? '', /\/sh$/);
  assert.equal(await findProgram('no-such-program-here', {}), undefined);
});

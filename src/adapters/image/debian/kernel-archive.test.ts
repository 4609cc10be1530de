import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packageFields } from './kernel-archive.ts';
import { kernelName } from './kernel-name.ts';

test('only the first package of an answer counts, and its fields of one line', () => {
  const fields = packageFields(
    'Package: linux-image-cloud-arm64\nVersion: 6.1.192-3\nDepends: linux-image-6.1.0-56-cloud-arm64 (= 6.1.192-3)\nDescription-en: Linux\n for clouds: yes\nSize: 1484\n\nPackage: other\nSize: 2\n',
  );
  assert.equal(fields.get('Version'), '6.1.192-3');
  assert.equal(fields.get('Size'), '1484');
  assert.equal(fields.get('Depends'), 'linux-image-6.1.0-56-cloud-arm64 (= 6.1.192-3)');
  assert.equal(fields.get('Package'), 'linux-image-cloud-arm64');
});

test('any answer has fields or none', () => {
  fc.assert(fc.property(fc.string(), (text) => packageFields(text).size >= 0));
});

test('the name of a kernel has the version of its package and its flavour', () => {
  assert.equal(kernelName('6.1.0-56-cloud-arm64', '6.1.192-2'), 'debian-6.1.192-2-cloud-arm64');
  assert.equal(kernelName('6.12.9+bpo-amd64', '6.12.9-1~bpo12+1'), 'debian-6.12.9-1.bpo12.1-amd64');
});

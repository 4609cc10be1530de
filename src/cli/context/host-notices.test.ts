import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isFirstSinceBoot } from './host-notices.ts';

describe('isFirstSinceBoot()', () => {
  let dir: string;
  let places: { file: string; bootIdFile: string };

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'host-notices-'));
    places = { file: join(dir, 'cache', 'host-notices'), bootIdFile: join(dir, 'boot-id') };
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  test('is true once for each message and boot of the host', () => {
    writeFileSync(places.bootIdFile, 'first\n');
    assert.equal(isFirstSinceBoot('no KVM', places), true);
    assert.equal(isFirstSinceBoot('no KVM', places), false);
    assert.equal(isFirstSinceBoot('of\ntwo lines', places), true);
    assert.equal(isFirstSinceBoot('of\ntwo lines', places), false);
    assert.equal(isFirstSinceBoot('no KVM', places), false);
    writeFileSync(places.bootIdFile, 'second\n');
    assert.equal(isFirstSinceBoot('no KVM', places), true);
    assert.equal(isFirstSinceBoot('no KVM', places), false);
  });

  test('keeps a bounded number of messages', () => {
    for (let index = 0; index < 100; index += 1) isFirstSinceBoot(`message ${index}`, places);
    assert.ok(readFileSync(places.file, 'utf8').split('\n').length <= 16);
  });

  test('is true each time if its file cannot be written', () => {
    const file = join(places.bootIdFile, 'no-folder', 'file');
    assert.equal(isFirstSinceBoot('no KVM', { ...places, file }), true);
    assert.equal(isFirstSinceBoot('no KVM', { ...places, file }), true);
    const bootIdFile = join(dir, 'missing');
    assert.equal(isFirstSinceBoot('no KVM', { ...places, bootIdFile }), true);
    assert.equal(isFirstSinceBoot('no KVM', { ...places, bootIdFile }), true);
  });
});

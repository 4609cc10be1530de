import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { requireSigned, trustOf } from './signatures.ts';

const content = Buffer.from('content');
const pair = (): { pem: string; privateKey: KeyObject } => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey };
};
const signed = (key: KeyObject): string =>
  sign('sha256', content, { key, dsaEncoding: 'der' }).toString('base64');

describe('requireSigned()', () => {
  const [one, two, other] = [pair(), pair(), pair()];
  const check = (signatures: string, threshold = 1): void =>
    requireSigned(content, { name: 'it', signatures, trust: trustOf([one.pem + two.pem], { threshold }) });

  test('accepts a signature of either key, with or without the end of its line', () => {
    check(signed(one.privateKey));
    check(`${signed(two.privateKey)}\n`);
    check(`${signed(other.privateKey)}\n${signed(one.privateKey)}`);
  });

  test('counts keys, not signatures', () => {
    assert.throws(
      () => check(`${signed(one.privateKey)}\n${signed(one.privateKey)}`, 2),
      /1 of the 2 signatures/,
    );
    check(`${signed(one.privateKey)}\n${signed(two.privateKey)}`, 2);
  });

  test('refuses others', () => {
    assert.throws(() => check(signed(other.privateKey)), /its signature is wrong/);
    assert.throws(() => check(''), /its signature is missing/);
    assert.throws(() => check('!'), /its signature is damaged/);
    assert.throws(() => check(`${signed(one.privateKey)}x`), /its signature is damaged/);
    assert.throws(() => check(Array(9).fill(signed(one.privateKey)).join('\n')), /its signature is missing/);
  });
});

describe('trustOf()', () => {
  test('refuses keys of another kind, no keys, and more signers than keys', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rsa = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    assert.throws(() => trustOf([rsa]), /no ECDSA key on P-256/);
    assert.throws(() => trustOf(['placeholder']), /there is none in PEM/);
    const { pem } = pair();
    assert.throws(() => trustOf([pem, pem], { threshold: 2 }), /2 of 1 cannot be required/);
  });
});

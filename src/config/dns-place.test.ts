import assert from 'node:assert/strict';
import { isIPv4 } from 'node:net';
import { test } from 'node:test';
import { isLoopback } from './dns-place.ts';

test('an address of loopback is an IPv4 address that begins with 127', () => {
  const parts = [
    ...Array.from({ length: 1_100 }, (_, number) => String(number)),
    '',
    '00',
    '01',
    '001',
    '-1',
    '+1',
  ];
  const texts = parts.flatMap((part) => [
    ...[`127.${part}.0.1`, `127.0.${part}.1`, `127.0.0.${part}`, `${part}.0.0.1`],
    ...[`127.0.0.1${part}.`, ` 127.0.0.${part}`, `127.0.0.${part}\n`, `127.0.${part}`],
  ]);
  for (const text of texts) {
    assert.equal(isLoopback(text), isIPv4(text) && text.startsWith('127.'), JSON.stringify(text));
  }
});

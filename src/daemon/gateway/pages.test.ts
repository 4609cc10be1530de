import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { writePage } from './pages.ts';

const HTML = { accept: 'text/html,*/*' };

test('nothing that a page shows can become markup', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('<script>alert(1)</script>', '"><img src=x onerror=y>', "'&lt;"),
  );
  fc.assert(
    fc.property(text, text, text, (title, process, url) => {
      const vms = [{ name: 'web', state: 'running', url, ports: [{ port: 80, process, url }] }];
      const { body } = writePage({ title, text: [process], vms }, HTML);
      const tags = body.match(/<[^>]*>/g) ?? [];
      for (const tag of tags) {
        assert.match(
          tag,
          /^<\/?(!doctype html|html lang="en"|html|head|meta charset="utf-8"|title|style|body|h1|p|table|tr|th|td|br|code|a href="[^"<>]*"|a)>$/,
        );
      }
    }),
  );
});

test('a page lets nothing run, be framed or be kept', () => {
  const { headers } = writePage({ title: 'x', text: [] }, HTML);
  const policy = String(headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cache-control'], 'no-store');
});

test('a client that is not a browser gets plain text', () => {
  const vms = [{ name: 'web', state: 'running', url: 'http://web.localhost:1/', ports: [] }];
  const { body, headers } = writePage(
    { title: 'There is no VM "x"', text: ['Why.'], vms },
    { accept: '*/*' },
  );
  assert.equal(body, 'There is no VM "x"\nWhy.\nweb  running  http://web.localhost:1/\n');
  assert.match(String(headers['content-type']), /^text\/plain/);
});

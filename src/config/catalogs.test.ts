import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from './config-file.ts';

const parse = (text: string) => parseConfig(text, '/c.toml').catalog?.map((table) => ({ ...table }));

test('catalogs have a URL, and perhaps a key of their own', () => {
  const text =
    '[[catalog]]\nurl = "https://images.example/catalog.json"\n[[catalog]]\nurl = "file:///srv/catalog.json"\nkey = "~/keys/team.pub"\n';
  assert.deepEqual(parse(text), [
    { url: 'https://images.example/catalog.json' },
    { url: 'file:///srv/catalog.json', key: '~/keys/team.pub' },
  ]);
});

test('a mistake in the table of a catalog is named', () => {
  const url = 'url = "https://x.example/c.json"';
  for (const [entry, problem] of [
    ['url = "http://x.example/c.json"', /url" must be an https/],
    ['url = "https://u:p@x.example/c.json"', /url" must be/],
    ['url = "ftp://x.example"', /url" must be/],
    ['url = 3', /url" must be/],
    ['', /url" must be/],
    [`${url}\nkey = "team.pub"`, /key" must be an absolute path/],
    [`${url}\nother = 1`, /other" is not a known key/],
  ] as const) {
    assert.throws(() => parse(`[[catalog]]\n${entry}\n`), problem, entry);
  }
  assert.throws(() => parse('catalog = "https://x.example"\n'), /must be \[\[catalog\]\] tables/);
  assert.throws(() => parse(`[[catalog]]\n${url}\n`.repeat(9)), /more than 8/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../base/errors.ts';
import { parseConfig } from './config-file.ts';

const parse = (text: string) => parseConfig(text, '/c.toml').registry?.map((table) => ({ ...table }));

test('registries have a mirror, or need no TLS', () => {
  assert.deepEqual(
    parse(
      '[[registry]]\nhost = "docker.io"\nmirror = "https://mirror.example/v2"\n[[registry]]\nhost = "localhost:5000"\ninsecure = true\n',
    ),
    [
      { host: 'docker.io', mirror: 'https://mirror.example/v2' },
      { host: 'localhost:5000', insecure: true },
    ],
  );
});

test('a mistake in the table of a registry is named', () => {
  for (const [entry, problem] of [
    ['host = "x.example"\nmirror = "ftp://y.example"', /mirror" must be an https/],
    ['host = "x.example"\nmirror = "https://u:p@y.example"', /mirror" must be/],
    ['host = "x.example"\nmirror = "--auth"', /mirror" must be/],
    ['host = "--insecure"', /host" must be the name/],
    ['host = "http://x"', /host" must be the name/],
    ['mirror = "https://y.example"', /host" must be the name/],
    ['host = "x"\ninsecure = "yes"', /insecure" must be true or false/],
    ['host = "x"\nother = 1', /other" is not a known key/],
  ] as const) {
    assert.throws(
      () => parse(`[[registry]]\n${entry}\n`),
      (error) => isAppError(error, 'CONFIG_INVALID') && problem.test(error.message),
      entry,
    );
  }
  assert.throws(() => parse('registry = 3\n'), /must be \[\[registry\]\] tables/);
});

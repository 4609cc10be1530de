import { afterEach, beforeEach, describe, test } from 'node:test';
import { ARCHIVE, NEW, UpdateLab } from '../../support/update/update-lab.ts';

describe('an update from a server that sends something else', () => {
  let lab: UpdateLab;
  beforeEach(async () => {
    lab = await UpdateLab.open();
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  const put = (path: string, content: Buffer | string): void =>
    void lab.site.files.set(path, Buffer.from(content));
  const append = (path: string): void =>
    put(path, Buffer.concat([lab.site.files.get(path) ?? Buffer.alloc(0), Buffer.from('\n')]));

  for (const [what, damage, code, message] of [
    [
      'a changed list',
      () => append('/manifest.json'),
      'UPDATE_NOT_TRUSTED',
      /list of releases: its signature is wrong/,
    ],
    [
      'no signature of the list',
      () => lab.site.files.delete('/manifest.json.sig'),
      'UPDATE_DOWNLOAD_FAILED',
      /not found/,
    ],
    [
      'an empty signature',
      () => put('/manifest.json.sig', ''),
      'UPDATE_NOT_TRUSTED',
      /its signature is missing/,
    ],
    [
      'a damaged signature',
      () => put('/manifest.json.sig', '%%'),
      'UPDATE_NOT_TRUSTED',
      /its signature is damaged/,
    ],
    [
      'an expired list',
      () => lab.site.changeList((list) => ({ ...list, expires_at: '2026-01-01T00:00:00.000Z' })),
      'UPDATE_MANIFEST_EXPIRED',
      /it expired at 2026-01-01/,
    ],
    [
      'a list of an unknown schema',
      () => lab.site.changeList((list) => ({ ...list, schema_version: 2 }) as never),
      'UPDATE_MANIFEST_INVALID',
      /schema 2/,
    ],
    [
      'a list that leads to another scheme',
      () =>
        lab.site.changeList((list) => ({
          ...list,
          releases: list.releases.map((release) => ({ ...release, tarball_url: 'http://example.com/x' })),
        })),
      'UPDATE_DOWNLOAD_FAILED',
      /must begin with https/,
    ],
    [
      'changed checksums',
      () => append(`/${NEW}/SHA256SUMS`),
      'UPDATE_NOT_TRUSTED',
      /release v0\.2\.0: its signature/,
    ],
    [
      'the checksums of another release',
      () => {
        put(`/${NEW}/SHA256SUMS`, lab.site.files.get('/v0.0.9/SHA256SUMS') ?? '');
        put(`/${NEW}/SHA256SUMS.sig`, lab.site.files.get('/v0.0.9/SHA256SUMS.sig') ?? '');
      },
      'UPDATE_SUMS_INVALID',
      /it does not name banger-v0\.2\.0-linux-amd64/,
    ],
    ['a changed archive', () => append(ARCHIVE), 'UPDATE_NOT_TRUSTED', /checksum/],
    [
      'an archive that is cut',
      () =>
        lab.site.answers.set(ARCHIVE, (_, response) => {
          const content = lab.site.files.get(ARCHIVE) ?? Buffer.alloc(0);
          response.writeHead(200, { 'content-length': content.length });
          response.write(content.subarray(0, 100), () => response.destroy());
        }),
      'UPDATE_DOWNLOAD_FAILED',
      /tar\.zst/,
    ],
    [
      'a list that never ends',
      () =>
        lab.site.answers.set('/manifest.json', (_, response) => {
          const more = (error?: Error | null): void => {
            if (!error) response.write('x'.repeat(65_536), more);
          };
          more();
        }),
      'UPDATE_DOWNLOAD_FAILED',
      /more than 1M/,
    ],
    [
      'an archive that says it is enormous',
      () =>
        lab.site.answers.set(ARCHIVE, (_, response) => {
          response.writeHead(200, { 'content-length': 2 ** 40 });
          response.write('x');
        }),
      'UPDATE_DOWNLOAD_FAILED',
      /more than 256M/,
    ],
    [
      'a redirect without end',
      () =>
        lab.site.answers.set('/manifest.json', (_, response) =>
          response.writeHead(302, { location: '/manifest.json' }).end(),
        ),
      'UPDATE_DOWNLOAD_FAILED',
      /redirected too often/,
    ],
    [
      'a server that fails',
      () => lab.site.answers.set('/manifest.json', (_, response) => response.writeHead(500).end()),
      'UPDATE_DOWNLOAD_FAILED',
      /answers 500/,
    ],
  ] as const) {
    test(`changes nothing with ${what}`, async () => {
      await lab.publish('v0.0.9');
      await lab.publish();
      damage();
      await lab.fails(code, message);
      lab.assertOld();
    });
  }
});

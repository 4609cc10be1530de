import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from './config-file.ts';
import { resolveFileSync } from './file-sync.ts';

const PATH = '/c/config.toml';

function entry(fields: Record<string, unknown>): string {
  const lines = Object.entries(fields).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return `[[file_sync]]\n${lines.join('\n')}\n`;
}

test('entries are read as absolute paths', () => {
  const source =
    entry({ host: '~/.config/gh', guest: '~/.config//gh/' }) +
    entry({ host: '/etc/some.conf', guest: '/root/./some.conf', mode: '0640' }) +
    entry({ host: '~/x', guest: '/root/x', mode: '755' });
  const { file_sync = [] } = parseConfig(source, PATH);
  assert.deepEqual(resolveFileSync(file_sync, '/home/me'), [
    { hostPath: '/home/me/.config/gh', guestPath: '/root/.config/gh' },
    { hostPath: '/etc/some.conf', guestPath: '/root/some.conf', mode: 0o640 },
    { hostPath: '/home/me/x', guestPath: '/root/x', mode: 0o755 },
  ]);
});

const good = { host: '~/a', guest: '~/a' };
for (const [fields, problem] of [
  [{ ...good, host: '' }, /"file_sync\[0\].host" must be a path below ~\/ or an absolute one/],
  [{ ...good, host: 'relative' }, /host/],
  [{ ...good, host: '~' }, /host/],
  [{ ...good, host: '~root/.ssh' }, /host/],
  [{ ...good, host: '~/../x' }, /host/],
  [{ ...good, host: '/etc/..' }, /host/],
  [{ ...good, host: '~/a\u0000b' }, /host/],
  [{ ...good, host: 1 }, /host/],
  [{ guest: '~/a' }, /host/],
  [
    { ...good, guest: 'etc/passwd' },
    /"file_sync\[0\].guest" must be a path below ~\/ or an absolute one, without "\.\.", and not below \/dev/,
  ],
  [{ ...good, guest: '/' }, /guest/],
  [{ ...good, guest: '//.' }, /guest/],
  [{ ...good, guest: '/proc/sys/kernel/hostname' }, /guest/],
  [{ ...good, guest: '//sys//x' }, /guest/],
  [{ ...good, guest: '/dev' }, /guest/],
  [{ ...good, guest: '/root' }, /guest/],
  [{ ...good, guest: '/root/' }, /guest/],
  [{ ...good, guest: '~/' }, /guest/],
  [{ ...good, guest: '~/.' }, /guest/],
  [{ ...good, guest: '/root/../etc/x' }, /guest/],
  [{ host: '~/a' }, /guest/],
  [{ ...good, mode: '0999' }, /"file_sync\[0\].mode" must be permission bits as a text, such as "0600"/],
  [{ ...good, mode: '04755' }, /mode/],
  [{ ...good, mode: 600 }, /mode/],
  [{ ...good, owner: 'me' }, /"file_sync\[0\].owner" is not a known key/],
] as const) {
  test(`${JSON.stringify(fields)} is refused`, () => {
    assert.throws(() => parseConfig(entry(fields), PATH), { code: 'CONFIG_INVALID', message: problem });
  });
}

for (const [guest, guestPath] of [
  ['/etc/pip.conf', '/etc/pip.conf'],
  ['//etc//apt/auth.conf.d/', '/etc/apt/auth.conf.d'],
  ['/rootless/x', '/rootless/x'],
  ['/development', '/development'],
] as const) {
  test(`a file may have any absolute path in the guest, such as ${guest}`, () => {
    const { file_sync = [] } = parseConfig(entry({ ...good, guest }), PATH);
    assert.equal(resolveFileSync(file_sync, '/home/me')[0]?.guestPath, guestPath);
  });
}

test('every bad entry is named, and anything but a list of tables is refused', () => {
  const source = entry(good) + entry({ ...good, host: 'x', mode: 'y' });
  assert.throws(() => parseConfig(source, PATH), { message: /file_sync\[1\].host.*file_sync\[1\].mode/ });
  for (const wrong of ['file_sync = 1', 'file_sync = [1]', '[file_sync]\nhost = "~/a"']) {
    assert.throws(() => parseConfig(wrong, PATH), { code: 'CONFIG_INVALID', message: /file_sync/ });
  }
});

test('an accepted path made of these parts stays below the home of the guest', () => {
  const part = fc.constantFrom('..', '.', '', 'a', '~', 'root', '~/', '/', '/root');
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join('/')),
      (guest) => {
        let tables: ReturnType<typeof parseConfig>['file_sync'];
        try {
          tables = parseConfig(entry({ host: '~/a', guest }), PATH).file_sync;
        } catch {
          return;
        }
        const [found] = resolveFileSync(tables ?? [], '/home/me');
        assert.match(found?.guestPath ?? '', /^\/root\/./);
        assert.ok(
          !found?.guestPath.split('/').some((name, index) => index > 0 && ['', '.', '..'].includes(name)),
        );
      },
    ),
  );
});

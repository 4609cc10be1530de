import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspectServices } from './check-services.ts';

const UNITS = {
  'bangerd.service': 'KillMode=process\nRuntimeDirectoryPreserve=yes\nProtectSystem=strict\n',
  'bangerd-root.service':
    'CapabilityBoundingSet=CAP_NET_ADMIN\nKillMode=process\nNoNewPrivileges=yes\nProtectHome=yes\nProtectSystem=strict\nSendSIGKILL=no\n',
  'bangerd-root.socket': 'SocketMode=0600\n',
};

test('services are as installed, or each difference is named', async (t) => {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return t.skip('needs root, whose files the helper is');
  const dir = mkdtempSync(join(tmpdir(), 'services-'));
  const places = { unitDir: dir, tree: join(dir, 'tree'), helperSocket: join(dir, 's') };
  const server = createServer();
  const message = async (): Promise<string> => (await inspectServices({ uid }, places)).message;
  try {
    mkdirSync(join(places.tree, 'root', 'bin'), { recursive: true, mode: 0o755 });
    for (const [name, text] of Object.entries(UNITS)) writeFileSync(join(dir, name), text);
    assert.match(await message(), /the helper has no socket/);
    await new Promise<void>((resolve) => server.listen(places.helperSocket, resolve));
    chmodSync(places.helperSocket, 0o600);
    assert.equal((await inspectServices({ uid }, places)).status, 'pass');

    chmodSync(places.helperSocket, 0o660);
    assert.match(await message(), /socket of this user with mode 600/);
    chmodSync(places.helperSocket, 0o600);
    chmodSync(join(places.tree, 'root'), 0o777);
    assert.match(await message(), /others than root can change .*tree\/root/);
    chmodSync(join(places.tree, 'root'), 0o755);
    const unit = join(dir, 'bangerd.service');
    writeFileSync(unit, readFileSync(unit, 'utf8').replace('KillMode=process', 'KillMode=mixed'));
    assert.match(await message(), /bangerd.service lacks KillMode=process$/);
    rmSync(unit);
    assert.match(await message(), /bangerd.service is missing/);
  } finally {
    server.close();
    rmSync(dir, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../base/abort.ts';
import { exec } from '../../../base/process/exec.ts';
import { sshArgv } from './ssh-argv.ts';

const ACCESS = {
  vm: { id: '0123456789ab', name: 'web' },
  user: 'root',
  port: 22,
  identityFile: '/home/me/.local/share/banger/ssh/id_ed25519',
  knownHostsFile: '/home/me/known_hosts',
  hostKeyAlias: 'banger-0123456789ab',
};

function optionsOf(argv: readonly string[]): Map<string, string> {
  const given = argv.flatMap((word, index) => (word === '-o' ? [argv[index + 1] ?? ''] : []));
  return new Map(given.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]));
}

describe('sshArgv', () => {
  test('accepts one host key, offers one key, and reads no configuration', () => {
    const argv = sshArgv({
      access: ACCESS,
      ownArgv: ['node', 'banger'],
      ownerPid: 7,
      hasTerminal: false,
    });
    assert.deepEqual([argv[0], argv.slice(1, 3), argv.at(-1)], ['ssh', ['-F', 'none'], 'root@web.vm']);
    const options = optionsOf(argv);
    assert.equal(options.get('StrictHostKeyChecking'), 'yes');
    assert.equal(options.get('HostKeyAlias'), 'banger-0123456789ab');
    assert.equal(options.get('UserKnownHostsFile'), '"/home/me/known_hosts"');
    assert.equal(options.get('IdentityFile'), '"/home/me/.local/share/banger/ssh/id_ed25519"');
    assert.deepEqual([options.get('IdentitiesOnly'), options.get('IdentityAgent')], ['yes', 'none']);
  });

  test('passes the line on after the host, whatever it begins with', () => {
    const argv = sshArgv({
      access: ACCESS,
      ownArgv: ['node'],
      ownerPid: 7,
      line: '-v x',
      hasTerminal: true,
    });
    assert.deepEqual(argv.slice(-4), ['-t', 'root@web.vm', '--', '-v x']);
  });

  test('quotes our own program for a shell', async () => {
    const word = fc
      .string({ unit: fc.constantFrom('a', ' ', "'", '"', '$', '`', '\\', '%', ';', '\n', '*') })
      .filter((text) => text !== '');
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 4 }), async (ownArgv) => {
        const options = optionsOf(sshArgv({ access: ACCESS, ownArgv, ownerPid: 7, hasTerminal: false }));
        // As ssh(1) does it: its own tokens first, then the shell.
        const line = (options.get('ProxyCommand') ?? '').replaceAll('%%', '%');
        const { stdout } = await exec(['sh', '-c', `printf '%s\\0' ${line}`], { signal: neverAborts() });
        assert.deepEqual(stdout.toString().split('\0').slice(0, -1), [
          ...ownArgv,
          'vm',
          'proxy',
          '0123456789ab',
          '22',
          '7',
        ]);
      }),
      { numRuns: 25 },
    );
  });

  test('works with ssh(1), also for files with unusual names', async () => {
    const access = {
      ...ACCESS,
      knownHostsFile: '/tmp/a b%h"c/known_hosts',
      identityFile: '/tmp/a b%h"c/key',
    };
    const argv = sshArgv({ access, ownArgv: ['node', "it's"], ownerPid: 7, hasTerminal: false });
    // -G prints the settings, and does nothing.
    const { stdout } = await exec(['ssh', '-G', ...argv.slice(1)], { signal: neverAborts() });
    const lines = stdout.toString().split('\n');
    assert.ok(lines.includes('stricthostkeychecking true'), stdout.toString());
    assert.ok(lines.includes('hostkeyalias banger-0123456789ab'));
    assert.ok(lines.includes('userknownhostsfile /tmp/a b%h"c/known_hosts'));
    assert.ok(lines.includes('identityfile /tmp/a b%%h"c/key'));
  });
});

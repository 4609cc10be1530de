import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../base/abort.ts';
import { exec } from '../../base/process/exec.ts';
import { includeLine, includeLines } from './quote.ts';
import { programOf, sshStanza } from './stanza.ts';

const signal = neverAborts();

const PLAIN = {
  programArgv: ['/opt/banger/bin/banger'],
  places: {},
  identityFile: '/home/me/key',
  knownHostsFile: '/home/me/known_hosts',
  loginUsersFile: '/home/me/users',
};

/** Every character that a shell, ssh_config(5) or glob(7) reads in a special way. */
const awkward = fc
  .string({
    unit: fc.constantFrom('a', ' ', "'", '"', '$', '`', '\\', '%', ';', '*', '[', ']', '#', '~'),
    maxLength: 8,
  })
  .map((text) => `/x${text}x`);

describe('sshStanza', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'stanza-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** What ssh(1) makes of a configuration that includes a file with this content. */
  async function effective(stanza: string, host: string, folder = dir): Promise<Map<string, string>> {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'ssh_config'), stanza);
    const config = join(dir, 'config');
    writeFileSync(
      config,
      `${includeLine(join(folder, 'ssh_config'))}\nHost *\n  ProxyUseFdpass yes\n  ForwardAgent yes\n`,
    );
    // -G prints the settings, and does nothing.
    const { stdout } = await exec(['ssh', '-G', '-F', config, host], { signal });
    return new Map(
      stdout
        .toString()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
    );
  }

  test('applies to VMs only, and wins over what the user has set for all hosts', async () => {
    const vm = await effective(sshStanza(PLAIN), 'web.vm');
    assert.equal(vm.get('proxycommand'), "/opt/banger/bin/banger vm proxy '%h' %p");
    assert.deepEqual(
      ['user', 'stricthostkeychecking', 'identitiesonly', 'forwardagent', 'proxyusefdpass'].map((name) =>
        vm.get(name),
      ),
      ['root', 'true', 'yes', 'no', 'no'],
    );
    assert.equal(vm.get('userknownhostsfile'), '/home/me/known_hosts');
    const other = await effective(sshStanza(PLAIN), 'web.example.org');
    assert.equal(other.get('proxycommand'), undefined);
    assert.equal(other.get('forwardagent'), 'yes');
  });

  test('logs in as the user of a VM, where the file of users names one', async () => {
    const loginUsersFile = join(dir, 'users');
    writeFileSync(loginUsersFile, 'Host web.vm 0a.vm\n  User dev\n');
    const stanza = sshStanza({ ...PLAIN, loginUsersFile });
    for (const [host, user] of [
      ['web.vm', 'dev'],
      ['0a.vm', 'dev'],
      ['db.vm', 'root'],
    ] as const) {
      const found = await effective(stanza, host);
      assert.equal(found.get('user'), user);
      assert.equal(found.get('proxycommand'), "/opt/banger/bin/banger vm proxy '%h' %p");
    }
  });

  test('does not apply to names that could end the quotes around them', async () => {
    const found = await effective(sshStanza(PLAIN), "x';touch pwned;'.vm").catch(
      () => new Map<string, string>(),
    );
    assert.equal(found.get('proxycommand'), undefined);
  });

  test('the shell starts exactly the program, wherever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(awkward, { minLength: 1, maxLength: 3 }),
        awkward,
        async (programArgv, place) => {
          const stanza = sshStanza({ ...PLAIN, programArgv });
          const found = await effective(stanza, 'web.vm');
          const line = (found.get('proxycommand') ?? '')
            .replaceAll('%%', '%')
            .replace('%h', 'web.vm')
            .replace('%p', '22');
          const { stdout } = await exec(['sh', '-c', `printf '%s\\0' ${line}`], { signal });
          assert.deepEqual(stdout.toString().split('\0').slice(0, -1), [
            ...programArgv,
            'vm',
            'proxy',
            'web.vm',
            '22',
          ]);
          assert.equal(programOf(stanza), programArgv[0]);
          const moved = sshStanza({ ...PLAIN, programArgv, places: { XDG_STATE_HOME: place } });
          assert.equal(programOf(moved), programArgv[0]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('ssh finds its files, whatever their folders are called', async () => {
    const folder = join(dir, 'a b%h"c [d]*?');
    const files = {
      identityFile: join(folder, 'key'),
      knownHostsFile: join(folder, 'hosts'),
      loginUsersFile: join(folder, 'users'),
    };
    const found = await effective(sshStanza({ ...PLAIN, ...files }), 'web.vm', folder);
    assert.equal(found.get('userknownhostsfile'), files.knownHostsFile);
    assert.equal(found.get('identityfile'), files.identityFile.replace('%', '%%'));
    assert.throws(() => sshStanza({ ...PLAIN, identityFile: '/a\nProxyCommand evil' }), {
      code: 'SSH_CONFIG_UNUSABLE',
    });
    assert.throws(() => includeLine('/a\nb'), { code: 'SSH_CONFIG_UNUSABLE' });
  });

  test('names the folders that variables have moved, because ssh may run without them', async () => {
    const stanza = sshStanza({ ...PLAIN, places: { XDG_STATE_HOME: "/my state/it's" } });
    const found = await effective(stanza, 'web.vm');
    const line = (found.get('proxycommand') ?? '').replace(
      '/opt/banger/bin/banger',
      `sh -c 'echo "$XDG_STATE_HOME"' --`,
    );
    const { stdout } = await exec(['sh', '-c', line], { signal });
    assert.equal(stdout.toString(), "/my state/it's\n");
    assert.equal(programOf(readFileSync(join(dir, 'ssh_config'), 'utf8')), '/opt/banger/bin/banger');
  });
});

test('includeLines knows how people write the line themselves', () => {
  assert.deepEqual(includeLines('/home/me/.config/banger/ssh_config', { HOME: '/home/me' }), [
    'Include /home/me/.config/banger/ssh_config',
    'Include ~/.config/banger/ssh_config',
  ]);
  assert.deepEqual(includeLines('/etc/x', { HOME: '/home/me' }), ['Include /etc/x']);
});

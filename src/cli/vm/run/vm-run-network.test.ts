import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../../test/support/cli/cli-harness.ts';

describe('what the .banger.toml of a working tree asks for', () => {
  let lab: CliLab;
  let repo: string;

  beforeEach(async () => {
    lab = await openCliLab();
    repo = join(lab.home, 'repo');
    mkdirSync(repo);
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  const write = (text: string): void => writeFileSync(join(repo, '.banger.toml'), text);
  const dryRun = async (...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> =>
    await lab.run(['vm', 'run', '--dry-run', ...words, repo]);

  test('is shown, with what the VM gets of it', async () => {
    write('[network]\nallow = ["@npm", "api.test:443"]\n');
    const asked = '.banger.toml asks for @npm, api.test:443';
    assert.match(
      (await dryRun()).stderr,
      new RegExp(`${asked}; the VM has no network without --nat or --allow`),
    );
    assert.match((await dryRun('--nat')).stderr, new RegExp(`${asked}: the VM reaches nothing else outside`));
    const ruled = await dryRun('--allow', '@npm');
    assert.match(ruled.stderr, new RegExp(`${asked}: the VM reaches only what your rules allow of that`));
    const { stdout } = await dryRun('--json');
    assert.deepEqual((JSON.parse(stdout) as { repositoryNetwork: unknown }).repositoryNetwork, {
      file: join(repo, '.banger.toml'),
      allow: ['@npm', 'api.test:443'],
    });
    write('[network]\nallow = []\n');
    assert.match((await dryRun('--nat')).stderr, /asks for no network: the VM reaches nothing outside\n/);
    write('');
    assert.doesNotMatch((await dryRun('--nat')).stderr, /banger\.toml/);
  });

  test('goes to the daemon with the request, and into the JSON', async () => {
    write('[network]\nallow = ["@npm"]\n');
    const words = ['vm', 'run', '-d', '--json', '--allow', '@github'];
    const { status, stdout } = await lab.run([...words, repo]);
    assert.equal(status, 0);
    const { body } = lab.daemon.requests.find(({ path }) => path === '/v1/vms') ?? {};
    assert.deepEqual((body as { network: unknown }).network, {
      mode: 'user',
      policy: { allow: ['@github'] },
      narrowTo: ['@npm'],
    });
    const { repositoryNetwork } = JSON.parse(stdout) as { repositoryNetwork: { allow: string[] } };
    assert.deepEqual(repositoryNetwork.allow, ['@npm']);
  });

  test('is refused with status 2 before anything is made, with the file and the key', async () => {
    write('[network]\nallow = ["api.test:https"]\nproxy = 1\n');
    const { status, stderr } = await dryRun('--nat');
    assert.equal(status, 2);
    assert.match(
      stderr,
      /repo\/\.banger\.toml": "network\.proxy" is not a known key; "network\.allow": .*:https/,
    );
    assert.match(stderr, /its keys are "network\.allow" and "network\.policies\.NAME\.allow"/);
    assert.equal(lab.daemon.vms.size, 0);
  });
});

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../test/support/cli/cli-harness.ts';

/** Command lines that are refused before anything is created, with what the message must contain. */
const REFUSED: readonly (readonly [line: string[], ...named: RegExp[]])[] = [
  [['vm', 'run', '--vcpu', '0'], /"0" for --vcpu/, /at least 1/],
  [['vm', 'run', '--vcpu', '-1'], /"-1" for --vcpu/, /at least 1/],
  [['vm', 'run', '--vcpu', 'two'], /"two" for --vcpu: it is not a whole number/],
  [['vm', 'run', '--vcpu', '1.5'], /"1.5" for --vcpu/],
  [['vm', 'run', '--vcpu', '0x4'], /"0x4" for --vcpu/],
  [['vm', 'run', '--vcpu', ''], /"" for --vcpu/],
  [['vm', 'create', '--memory', '1'], /"1" for --memory: it is below the minimum 128 MiB/],
  [['vm', 'create', '--memory', '127'], /minimum 128 MiB/],
  [['vm', 'create', '--memory', '2G'], /"2G" for --memory: it is not a whole number/],
  [['vm', 'create', '--disk-size', '-1G'], /"-1G" for --disk-size/, /8G or 512M/],
  [['vm', 'create', '--disk-size', 'banana'], /"banana" for --disk-size/, /8G or 512M/],
  [['vm', 'create', '--disk-size', '0'], /"0" for --disk-size/],
  [['vm', 'create', '--disk-size', '1.5G'], /"1.5G" for --disk-size/],
  [['vm', 'create', '--disk-size', '99999999999T'], /--disk-size/],
  [['vm', 'create', '--system-overlay-size', 'banana'], /"banana" for --system-overlay-size/],
  [['vm', 'run', '--name', 'MyBox'], /invalid character 'M' at position 1/, /a-z, 0-9/],
  [['vm', 'run', '--name', 'my box'], /invalid character ' ' at position 3/],
  [['vm', 'run', '--name', 'box.vm'], /invalid character '\.' at position 4/],
  [['vm', 'run', '--name', '-box'], /"-box" cannot start or end with '-'/],
  [['vm', 'run', '--name', 'box-'], /cannot start or end with '-'/],
  [['vm', 'run', '--name', 'a'.repeat(64)], /64 characters; max is 63/],
  [['vm', 'run', '--name', ''], /vm name is required/],
  [['vm', 'run', '--name', 'ключ'], /invalid character/],
  [['vm', 'run', '--image', ''], /"" for --image/],
  [['vm', 'run', '--'], /there is no command after "--"/],
  [['vm', 'run', '--', ''], /the program's name is empty/],
  [['vm', 'run', 'folder', '--', '', 'x'], /the program's name is empty/],
  [['vm', 'run', ''], /the path "": it is empty/],
  [['vm', 'run', 'nowhere', '--', 'true'], /the path "nowhere": it does not exist/],
  [['vm', 'run', 'file', '--', 'true'], /the path "file": it is not a folder/],
  [['vm', 'run', 'folder', 'folder'], /one argument too many/],
  [['vm', 'run', '-d', '--rm'], /--detach with --rm/],
  [['vm', 'run', '-d', '--', 'true'], /--detach with a command/],
  [['vm', 'run', '--branch', 'x'], /--branch without a path/],
  [['vm', 'run', '--from', 'x', 'folder'], /--from requires --branch/],
  [['vm', 'run', '--include-untracked', '--', 'true'], /--include-untracked without a path/],
  [['vm', 'run', '--no-submodules', '--', 'true'], /--no-submodules without a path/],
  [['vm', 'run', '--dry-run'], /--dry-run without a path/],
  [['vm', 'exec', 'web'], /there is no command after "--"/],
  [['vm', 'exec', 'web', '--', ''], /the program's name is empty/],
  [['vm', 'exec', 'web', '-w', 'srv', '--', 'true'], /"srv" for --workdir: it is not an absolute path/],
  [['vm', 'exec', 'web', '-u', '', '--', 'true'], /"" for --user/],
  [['vm', 'exec', 'web', '-e', '=x', '--', 'true'], /"=x" for --env: the name is empty/],
  [['vm', 'exec', 'web', '-e', 'NOT_SET_HERE', '--', 'true'], /it is not set in this shell/],
  [['vm', 'exec', 'web', '--guest-path', 'srv', '--', 'true'], /"srv" for --guest-path/],
  [['vm', 'exec', 'web', '--guest-path', '/a', '-w', '/b', '--', 'true'], /--guest-path with --workdir/],
  [['vm', 'ssh'], /missing required argument 'vm'/],
  [['vm', 'ssh', 'web', '--'], /there is no command after "--"/],
  [['vm', 'proxy', 'web', '0'], /"0" for <port>/],
  [['vm', 'proxy', 'web', '65536'], /"65536" for <port>/],
  [['vm', 'proxy', 'web', 'ssh'], /"ssh" for <port>/],
  [['vm', 'proxy', 'web', '22', 'me'], /"me" for <owner>/],
  [['vm', 'workspace', 'prepare', 'web', 'nowhere'], /the path "nowhere": it does not exist/],
  [['vm', 'workspace', 'prepare', 'web', '--guest-path', '../x'], /"..\/x" for --guest-path/],
  [['vm', 'workspace', 'prepare', 'web', '--from', 'main'], /--from requires --branch/],
  [
    ['vm', 'workspace', 'prepare', 'web', '--mode', 'x'],
    /"x" for --mode/,
    /one of shallow_overlay, full_copy/,
  ],
  [['vm', 'workspace', 'prepare', 'web', '--mode', ''], /"" for --mode/],
  [['vm', 'workspace', 'export', 'web', '--base-commit', 'HEAD~1'], /"HEAD~1" for --base-commit/],
  [['vm', 'workspace', 'export', 'web', '-o', ''], /"" for --output/],
  [['vm', 'workspace', 'fly'], /unknown command 'fly'/, /banger vm workspace --help/],
  [['vm', 'logs', 'web', '--console', '--vmm'], /exclude each other/],
  [['daemon', 'logs', '-n', 'all'], /"all" for --lines/],
  [['completion', 'tcsh'], /"tcsh"/, /bash, zsh, fish/],
  [['vm', 'kill', '--signal', 'STOP', 'web'], /"STOP" for --signal/, /TERM, KILL, INT/],
  [['vm', 'kill'], /missing required argument 'vm'/],
  [['vm', 'set', 'web'], /no change was requested/],
  [['vm', 'set', '--vcpu', '0', 'web'], /"0" for --vcpu/],
  [['vm', 'set', '--memory', '1', 'web'], /minimum 128 MiB/],
  [['vm', 'set', '--disk-size', 'banana', 'web'], /"banana" for --disk-size/],
  [['vm', 'wait', '--until', 'happy', 'web'], /"happy" for --until/, /running, ready, stopped, deleted/],
  [['vm', 'wait', '--timeout', '-5s', 'web'], /"-5s" for --timeout/, /90s, 5m or 1h30m/],
  [['vm', 'wait', '--timeout', '0', 'web'], /"0" for --timeout: it is not more than 0/],
  [['vm', 'rename', 'web', 'My Box'], /invalid character 'M'/],
  [['vm', 'rename', 'web'], /missing required argument 'name'/],
  [['vm', 'show', 'web', '--format', '{{.State}}'], /"\{\{\.State\}\}" for --format/, /json, text/],
  [['vm', 'prune'], /there is no terminal/, /vm prune --force/],
  [['operations', 'cancel'], /missing required argument 'operation'/],
  [['vm', 'fly'], /unknown command 'fly'/],
  [['vm', 'list', '--fly'], /unknown option '--fly'/],
];

describe('bad input', () => {
  let lab: CliLab;
  before(async () => {
    // No daemon listens, and starting one would fail with another message: a refused line starts none.
    lab = await openCliLab({ hasDaemon: false });
    mkdirSync(join(lab.home, 'folder'));
    writeFileSync(join(lab.home, 'file'), '');
  });
  after(() => lab[Symbol.asyncDispose]());

  for (const [line, ...named] of REFUSED) {
    test(`is refused with 2 and one message: ${line
      .map((word) => JSON.stringify(word))
      .join(' ')
      .slice(0, 70)}`, async () => {
      const { status, stdout, stderr } = await lab.run(line, { cwd: lab.home });
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.equal(stderr.split('banger: ').length, 2, stderr);
      for (const expected of named) assert.match(stderr, expected);
    });
  }

  test('is reported all at once', async () => {
    const { status, stderr } = await lab.run([
      'vm',
      'run',
      '--vcpu',
      '0',
      '--name',
      'A',
      '--disk-size',
      'x',
      'nowhere',
    ]);
    assert.equal(status, 2);
    assert.match(stderr, /^banger: Cannot use this command line: it has 4 problems\n( {2}- .*\n){4}$/);
  });

  test('is reported as JSON with --json', async () => {
    const { status, stdout, stderr } = await lab.run(['vm', 'create', '--vcpu', '0', '--json']);
    assert.equal(status, 2);
    assert.equal(stderr, '');
    const { error } = JSON.parse(stdout) as { error: { code: string; details: unknown } };
    assert.deepEqual([error.code, error.details], ['VM_SHAPE_INVALID', { field: 'vcpu', value: '0' }]);
  });

  test('includes --json for a shell, because its stdout belongs to the user', async () => {
    const { status, stdout } = await lab.run(['vm', 'run', '--json']);
    assert.equal(status, 2);
    assert.match(stdout, /"message": "Cannot use --json with a shell/);
  });

  test('in the config file is refused by commands that need the file, and help still works', async () => {
    mkdirSync(join(lab.home, '.config', 'banger'), { recursive: true });
    writeFileSync(join(lab.home, '.config', 'banger', 'config.toml'), 'vm_defaults = 3\n');
    const refused = await lab.run(['vm', 'run', '--', 'true']);
    assert.deepEqual([refused.status, refused.stdout], [2, '']);
    assert.match(refused.stderr, /config\.toml/);
    const help = await lab.run(['vm', 'run', '--help']);
    assert.deepEqual([help.status, help.stderr], [0, '']);
    assert.match(help.stdout, /default: vcpu of the config file/);
  });

  test('in XDG variables is refused', async () => {
    const { status, stderr } = await lab.run(['daemon', 'socket'], { env: { XDG_RUNTIME_DIR: 'relative' } });
    assert.equal(status, 2);
    assert.match(stderr, /XDG_RUNTIME_DIR/);
  });
});

describe('help', () => {
  test('shows the defaults of the config file', async () => {
    await using lab = await openCliLab({ hasDaemon: false });
    mkdirSync(join(lab.home, '.config', 'banger'), { recursive: true });
    writeFileSync(
      join(lab.home, '.config', 'banger', 'config.toml'),
      'default_image_name = "mine"\n[vm_defaults]\nvcpu = 3\nmemory_mib = 777\ndisk_size = "5G"\n',
    );
    const { status, stdout } = await lab.run(['vm', 'run', '--help']);
    assert.equal(status, 0);
    for (const expected of [
      /default: mine\)/,
      /default: 3\)/,
      /default: 777\)/,
      /default: 5G\)/,
      /default: 8G\)|default:\n +8G\)/,
    ]) {
      assert.match(stdout, expected);
    }
  });

  test('fits the terminal', async () => {
    await using lab = await openCliLab({ hasDaemon: false });
    const { FakeOutput } = await import('../../../test/support/cli/cli-harness.ts');
    const { stdout } = await lab.run(['vm', 'run', '--help'], {
      stdout: new FakeOutput({ isTTY: true, columns: 60 }),
    });
    const tooLong = stdout.split('\n').filter((line) => line.length > 60 && !line.startsWith('  banger'));
    assert.deepEqual(tooLong, []);
  });
});

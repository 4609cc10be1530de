import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';
const ARCHIVE = `banger-v0.1.0-linux-${ARCH}.tar.zst`;
/** What a host has that has neither Node nor npm nor Go. */
const PLAIN_PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin';

describe('a release', () => {
  let lab: Lab;
  /** where the release "server" has its files */
  let site: string;
  let outDir: string;

  before(async () => {
    lab = await openLab();
    site = join(lab.scratch, 'site');
    outDir = join(site, 'v0.1.0');
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeFile(join(lab.scratch, 'key.pem'), pem, { mode: 0o600 });
    await writeFile(join(lab.scratch, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    await cloneOfSources(join(lab.scratch, 'one'));
    release(
      join(lab.scratch, 'one'),
      outDir,
      '--key',
      join(lab.scratch, 'key.pem'),
      '--base-url',
      `file://${site}`,
    );
  });
  after(() => lab[Symbol.asyncDispose]());

  /** A clone with one commit, of the sources as they are now. */
  async function cloneOfSources(folder: string, from = ROOT): Promise<void> {
    must('git', ['clone', '-q', '--no-hardlinks', from, folder]);
    if (from === ROOT) {
      const names = must('git', ['-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']);
      for (const name of names.split('\0')) {
        if (name !== '')
          await cp(join(ROOT, name), join(folder, name)).catch(() => rm(join(folder, name), { force: true }));
      }
      const as = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com'];
      must('git', ['-C', folder, 'add', '-A']);
      must('git', ['-C', folder, ...as, 'commit', '-q', '--allow-empty', '-m', 'As it is now']);
    }
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    // Built from the same sources: saves compiling them again.
    for (const module of ['agent', 'host']) {
      await cp(join(ROOT, module, 'bin'), join(folder, module, 'bin'), { recursive: true });
    }
    must('sh', ['-c', `printf 'node_modules\\n' >>'${join(folder, '.git/info/exclude')}'`]);
    await mkdir(join(folder, '.cache'), { recursive: true });
    await cp(join(ROOT, '.cache/release-packages'), join(folder, '.cache/release-packages'), {
      recursive: true,
    }).catch(() => {});
  }

  function release(folder: string, out: string, ...more: string[]): void {
    const options = ['--version', 'v0.1.0', '--arch', ARCH, '--level', '1', '--out', out, ...more];
    must('bash', [join(folder, 'scripts/release.sh'), ...options], { cwd: folder });
  }

  function must(program: string, args: readonly string[], { cwd = lab.scratch } = {}): string {
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Runs the install script as a user whose home is `home`. */
  function install(home: string, ...args: string[]): { status: number | null; text: string } {
    const script = join(outDir, 'install.sh');
    const env = { HOME: home, PATH: PLAIN_PATH };
    const { status, stdout, stderr } = spawnSync('sh', [script, '--user', '--yes', ...args], {
      env,
      encoding: 'utf8',
    });
    return { status, text: stdout + stderr };
  }

  async function newHome(name: string): Promise<string> {
    const home = join(lab.scratch, name);
    await mkdir(home);
    return home;
  }

  test('two builds of one commit in different folders have the same bytes', async () => {
    await cloneOfSources(join(lab.scratch, 'two'), join(lab.scratch, 'one'));
    // Without the private key.
    const trusted = ['--public-key', join(lab.scratch, 'public.pem'), '--base-url', `file://${site}`];
    release(join(lab.scratch, 'two'), join(lab.scratch, 'out-two'), ...trusted);
    const sums = (folder: string): Promise<string> => readFile(join(folder, 'SHA256SUMS'), 'utf8');
    assert.equal(await sums(join(lab.scratch, 'out-two')), await sums(outDir));
    must('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: outDir });
  });

  test('a user installs it without root, and it runs a VM on a host without Node, npm and Go', async () => {
    const home = await newHome('home');
    const { status, text } = install(home);
    assert.equal(status, 0, text);
    const program = join(home, '.local/bin/banger');
    assert.match(text, new RegExp(`banger v0.1.0 is installed: ${program}\n`));
    assert.match(text, /\.local\/bin is not in your PATH/);
    assert.match(text, /banger doctor/);
    const env = { PATH: PLAIN_PATH };
    const run = ['vm', 'run', '--rm', ...SMALL, '--', 'echo', 'from a release'];
    assert.equal(await lab.text(run, { program, env }), 'from a release\n');
    assert.match(
      await lab.text(['--version'], { program, env }),
      /^banger v0\.1\.0 \(commit [0-9a-f]{12}, built /,
    );
    await lab.text(['daemon', 'stop'], { program, env });
    // Again: there is nothing to do, and the link stays.
    const again = install(home);
    assert.equal(again.status, 0, again.text);
    assert.match(again.text, /already unpacked/);
    assert.deepEqual(await readdir(join(home, '.local/share/banger/releases')), ['v0.1.0']);
  });

  test('the package for npm runs without a build step', async () => {
    const home = await newHome('npm-home');
    const prefix = join(lab.scratch, 'prefix');
    const archive = join(outDir, 'banger-0.1.0.tgz');
    const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
    must('npm', ['install', '-g', '--prefix', prefix, ...flags, archive]);
    const { status, stdout, stderr } = spawnSync(join(prefix, 'bin/banger'), ['--version'], {
      env: { HOME: home, PATH: PLAIN_PATH },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^banger v0\.1\.0 /);
  });

  for (const [what, damage, message] of [
    [
      'an archive that was changed',
      (folder: string) => append(join(folder, ARCHIVE)),
      /does not have the checksum/,
    ],
    [
      'checksums that were changed',
      (folder: string) => append(join(folder, 'SHA256SUMS')),
      /signature of SHA256SUMS is wrong/,
    ],
    [
      'a missing signature',
      (folder: string) => rm(join(folder, 'SHA256SUMS.sig')),
      /Cannot find .*SHA256SUMS\.sig/,
    ],
  ] as const) {
    test(`${what} installs nothing`, async () => {
      const kept = join(lab.scratch, 'kept');
      await cp(outDir, kept, { recursive: true });
      await damage(outDir);
      try {
        const home = await newHome(`home of ${what}`);
        const { status, text } = install(home);
        assert.equal(status, 1, text);
        assert.match(text, message);
        assert.deepEqual(await readdir(home), [], 'nothing is left');
      } finally {
        for (const name of await readdir(kept)) await copyFile(join(kept, name), join(outDir, name));
        await rm(kept, { recursive: true });
      }
    });
  }

  test('what the script cannot do is said before anything is downloaded', async () => {
    const home = await newHome('careful');
    for (const [args, message] of [
      [['--version', '1.2.3'], /--version "1\.2\.3": it is vX\.Y\.Z/],
      [['--frobnicate'], /unknown option "--frobnicate"/],
      [['--version', 'v9.9.9'], /Cannot find .*v9\.9\.9\/SHA256SUMS/],
    ] as const) {
      const { status, text } = install(home, ...args);
      assert.notEqual(status, 0);
      assert.match(text, message);
    }
    await mkdir(join(home, '.local/bin'), { recursive: true });
    await writeFile(join(home, '.local/bin/banger'), 'mine');
    assert.match(install(home).text, /Cannot link .*: there is another file of that name/);
    assert.equal(await readFile(join(home, '.local/bin/banger'), 'utf8'), 'mine');
  });
});

async function append(path: string): Promise<void> {
  await writeFile(path, 'x\n', { flag: 'a' });
}

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** Name of this host's architecture in releases. */
const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** A change of one source file of a release. */
export interface SourceChange {
  path: string;
  from: string;
  to: string;
}

/** A clone of the sources as they are now, from which releases are made. */
export interface ReleaseMaker {
  /** Makes a release of the sources with these changes, and puts it below `site`. */
  make(version: string, changes?: readonly SourceChange[]): void;
}

/** Makes the clone in `folder`. Releases are signed with `keyPath`, and know `site` as their source. */
export function openReleaseMaker(
  folder: string,
  { site, keyPath }: { site: string; keyPath: string },
): ReleaseMaker {
  must('git', ['clone', '-q', '--no-hardlinks', ROOT, folder]);
  const names = must('git', ['-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  for (const name of names.split('\0').filter((one) => one !== '')) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(folder, name));
    else rmSync(join(folder, name), { force: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const module of ['agent', 'host']) {
    cpSync(join(ROOT, module, 'bin'), join(folder, module, 'bin'), { recursive: true });
  }
  writeFileSync(join(folder, '.git/info/exclude'), 'node_modules\n', { flag: 'a' });
  mkdirSync(join(folder, '.cache'), { recursive: true });
  const kept = join(ROOT, '.cache/release-packages');
  if (existsSync(kept)) cpSync(kept, join(folder, '.cache/release-packages'), { recursive: true });
  commit(folder);
  const base = must('git', ['-C', folder, 'rev-parse', 'HEAD']).trim();
  return {
    make(version, changes = []) {
      must('git', ['-C', folder, 'reset', '-q', '--hard', base]);
      const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version as string;
      const named = {
        path: 'package.json',
        from: `"version": "${own}"`,
        to: `"version": "${version.slice(1)}"`,
      };
      for (const { path, from, to } of [named, ...changes]) {
        const text = readFileSync(join(folder, path), 'utf8');
        assert.ok(text.includes(from), `${path} has ${from}`);
        writeFileSync(
          join(folder, path),
          text.replace(from, () => to),
        );
      }
      commit(folder);
      const list = join(site, 'manifest.json');
      must('bash', [
        join(folder, 'scripts/release.sh'),
        ...['--version', version, '--arch', ARCH, '--level', '1', '--out', join(site, version)],
        ...['--key', keyPath, '--base-url', `file://${site}`],
        ...(existsSync(list) ? ['--manifest', list] : []),
      ]);
      for (const name of ['manifest.json', 'manifest.json.sig'])
        cpSync(join(site, version, name), join(site, name));
    },
  };
}

function commit(folder: string): void {
  const as = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com'];
  must('git', ['-C', folder, 'add', '-A']);
  must('git', ['-C', folder, ...as, 'commit', '-q', '--allow-empty', '-m', 'A release']);
}

/** Runs a program to its end; returns its output. */
export function must(program: string, args: readonly string[], env?: NodeJS.ProcessEnv): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env, maxBuffer: 2 ** 26 });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

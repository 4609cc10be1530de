import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  below,
  contentOf,
  type PackageEntry,
  plainFile,
  programFile,
} from '../../../scripts/release/entries.ts';
import { contentsOf } from '../../../scripts/release/release-tree.ts';
import { tarArchive, zstd } from '../../../scripts/release/tar-archive.ts';
import type { ReleaseSource } from '../../../src/cli/update/installation.ts';

/**
 * Shell lines of a fake release's programs, which act before the rest. `command` runs in `bin/banger`, with
 * the words in `$*`; `daemon` in place of `bangerd`.
 */
export interface FakeBehaviour {
  command?: string;
  daemon?: string;
}

/** The files of a fake release: its programs keep the state of one fake daemon in the folder `stateDir`. */
export function fakeRelease(
  version: string,
  {
    stateDir,
    behaviour = {},
    source,
  }: { stateDir: string; behaviour?: FakeBehaviour; source?: ReleaseSource },
): PackageEntry[] {
  const command = `#!/bin/sh
state='${stateDir}'
echo '${version}' "$*" >>"$state/calls"
start() { [ -f "$state/daemon" ] || echo '${version}' >"$state/daemon"; }
answer() { if [ -f "$state/$1" ]; then cat "$state/$1"; else echo "$2"; fi; }
${behaviour.command ?? ''}
case "$*" in
  --version) echo 'banger ${version} (commit 0123456789ab, built 2026-01-02T03:04:05Z)' ;;
  'daemon status --json')
    if [ -f "$state/daemon" ]; then
      echo "{\\"isRunning\\":true,\\"pid\\":1,\\"version\\":\\"$(cat "$state/daemon")\\",\\"activeRequestCount\\":$(answer active 0)}"
    else echo '{"isRunning":false}'; fi ;;
  'daemon stop') if [ -f "$state/sticky" ] && grep -q . "$state/daemon" && [ "$(cat "$state/daemon")" != '${version}' ]; then exit 1; fi; rm -f "$state/daemon" ;;
  'operations list --json') start; answer operations '[]' ;;
  'vm list --json') start; answer vms '[]' ;;
  'doctor --json') start; answer checks '{"checks":[{"name":"vmm","status":"pass","message":"fine"}]}' ;;
  *) exit 2 ;;
esac
`;
  const daemon = `#!/bin/sh
state='${stateDir}'
echo '${version}' bangerd "$2" >>"$state/calls"
${behaviour.daemon ?? ''}
case "$2" in
  --check-migrations) echo 'compatible: schema 3' ;;
  --check-saved-guests) echo '{"count":0,"unfit":[]}' ;;
  --restore-records) echo 'nothing to restore' ;;
  *) exit 2 ;;
esac
`;
  return [
    programFile('bin/banger', command),
    programFile('node/bin/node', daemon),
    plainFile('dist/banger.cjs', ''),
    plainFile('dist/bangerd.cjs', ''),
    plainFile('release.json', JSON.stringify({ version, arch: 'amd64', ...(source && { update: source }) })),
  ];
}

/** The archive of a release, with its list of contents, and `extra` entries that are not on it. */
export async function archiveOf(
  version: string,
  entries: readonly PackageEntry[],
  { extra = [] }: { extra?: readonly PackageEntry[] } = {},
): Promise<Buffer> {
  const all = [...entries, plainFile('contents.json', contentsOf(entries)), ...extra];
  const top = `banger-${version}-linux-amd64`;
  return await zstd(tarArchive(below(top, all), { mtimeMs: 0 }), { level: 1 });
}

/** A home folder with a fake installation in it, as install.sh makes one. */
export interface FakeInstall extends Disposable {
  readonly home: string;
  readonly releasesDir: string;
  readonly link: string;
  readonly stateDir: string;
  /** bundle of the command line of the installed release */
  readonly programPath: string;
}

/** Installs a fake release for one user. */
export function fakeInstall(version: string, source: ReleaseSource): FakeInstall {
  const home = mkdtempSync(join(tmpdir(), 'update-'));
  const stateDir = join(home, 'state');
  const releasesDir = join(home, '.local/share/banger/releases');
  const root = join(releasesDir, version);
  mkdirSync(stateDir);
  for (const entry of fakeRelease(version, { stateDir, source })) {
    const path = join(root, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    const isProgram = 'isProgram' in entry && entry.isProgram;
    writeFileSync(path, contentOf(entry), { mode: isProgram ? 0o755 : 0o644 });
  }
  const link = join(home, '.local/bin/banger');
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(root, 'bin/banger'), link);
  return {
    home,
    releasesDir,
    link,
    stateDir,
    programPath: join(root, 'dist/banger.cjs'),
    [Symbol.dispose]: () => rmSync(home, { recursive: true }),
  };
}

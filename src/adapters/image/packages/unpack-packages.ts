import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ExecOptions, exec, execStream, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';
import { systemPath, toolEnv, type Variables } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { Task } from '../../../protocol/events.ts';
import { readAptHost, sourcesLines } from '../debian/apt-host.ts';
import { DEBIAN_KEYRING } from '../debian/recipe-scripts.ts';
import type { PackageSet } from './package-sets.ts';

/** Folders that are links in a merged /usr, which packages still name by their old paths. */
const MERGED = ['bin', 'lib', 'lib64', 'sbin'] as const;

/** What a builder never reads. */
const REMOVED = ['doc', 'info', 'lintian', 'locale', 'man'] as const;

/** Where and how a set is unpacked. */
export interface UnpackOptions extends Task {
  /** empty folder for everything that is created */
  dir: string;
  arch: GuestArch;
  env: Variables;
}

/**
 * Downloads the packages of a set, and what they depend on, and unpacks them into a tree, whose path it
 * returns. Runs no script of a package and needs no privileges: everything belongs to this user. apt checks
 * Debian's signatures, with a state of its own. After a failure or an abort, the caller removes the files
 * in `dir`.
 *
 * @throws {AppError} EXEC_FAILED of the tool that failed, EXEC_NOT_FOUND.
 */
export async function unpackPackages(set: PackageSet, options: UnpackOptions): Promise<string> {
  const { dir, report, signal } = options;
  const archives = await download(set, options);
  const tree = join(dir, 'tree');
  for (const name of MERGED) await mkdir(join(tree, 'usr', name), { recursive: true });
  for (const name of MERGED) await symlink(join('usr', name), join(tree, name));
  const env = toolEnv(options.env);
  for (const [at, archive] of archives.entries()) {
    report({ event: 'progress', stage: 'unpack', detail: `${at + 1} of ${archives.length} packages` });
    const run = { signal, env, deadlineMs: LONG_WORK_DEADLINE_MS };
    const content = execStream(['dpkg-deb', '--fsys-tarfile', archive], run);
    const into = ['--extract', '--file=-', `--directory=${tree}`, '--keep-directory-symlink'] as const;
    await exec(['tar', ...into, '--no-same-owner', '--preserve-permissions'], {
      ...run,
      input: content.stdout,
    });
    await content.done;
  }
  for (const name of REMOVED) await rm(join(tree, 'usr/share', name), { recursive: true, force: true });
  await bundleAuthorities(tree);
  for (const { path, content, mode = 0o644 } of set.files) {
    const target = join(tree, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await rm(target, { force: true });
    await writeFile(target, content, { mode });
    await chmod(target, mode);
  }
  return tree;
}

/** Downloads packages; returns their paths, sorted by name. */
async function download(
  set: PackageSet,
  { dir, arch, env, report, signal }: UnpackOptions,
): Promise<string[]> {
  const apt = join(dir, 'apt');
  const archives = join(apt, 'cache/archives');
  for (const folder of ['etc/apt.conf.d', 'etc/preferences.d', 'state/lists/partial', 'log']) {
    await mkdir(join(apt, folder), { recursive: true });
  }
  await mkdir(join(archives, 'partial'), { recursive: true });
  report({ event: 'progress', stage: 'resolve', detail: 'mirrors' });
  const host = await readAptHost({ env: toolEnv(env), signal });
  await writeFile(join(apt, 'status'), '');
  const config = join(apt, 'apt.conf');
  await writeFile(config, `${aptConfig(apt, arch)}${host.options}`);
  const run = {
    signal,
    env: { ...toolEnv(env), PATH: systemPath(env), APT_CONFIG: config, DEBIAN_FRONTEND: 'noninteractive' },
    deadlineMs: LONG_WORK_DEADLINE_MS,
  };
  const known = sourcesLines(set, host.mirrors);
  const sources =
    known.length > 0 ? known : await defaultSources(set, { ...run, file: join(dir, 'sources') });
  await writeFile(join(apt, 'etc/sources.list'), `${sources.join('\n')}\n`);
  report({ event: 'progress', stage: 'download', detail: "Debian's lists of packages" });
  await exec(['apt-get', '--quiet', 'update', '--error-on=any'], run);
  report({ event: 'progress', stage: 'download', detail: set.packages.slice(0, 3).join(', ') });
  await exec(['apt-get', '--quiet', '--yes', '--download-only', 'install', ...set.packages], run);
  const names = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  return names.sort().map((name) => join(archives, name));
}

/** apt.conf(5): nothing of this host's state or configuration, hooks among it, is used. */
function aptConfig(apt: string, arch: GuestArch): string {
  const settings = {
    Dir: `${apt}/`,
    'Dir::Etc': 'etc',
    'Dir::State': 'state',
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache': 'cache',
    'Dir::Log': 'log',
    'APT::Architecture': arch,
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': '',
    // Lists in the host's languages are only for people.
    'Acquire::Languages': 'none',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  return `${lines.join('')}APT::Architectures { "${arch}"; };\n`;
}

/**
 * Debian's own mirrors, for a host that is not Debian: mmdebstrap knows them. It makes and downloads
 * nothing here, and needs no namespaces.
 */
async function defaultSources(
  { suite, components }: PackageSet,
  run: ExecOptions & { file: string },
): Promise<string[]> {
  const { file, env, ...options } = run;
  const words = [
    ...['--mode=chrootless', '--variant=custom', '--format=null', '--skip=update,cleanup'],
    `--components=${components.join(',')}`,
    '--setup-hook=cp "$1/etc/apt/sources.list" "$SOURCES"',
  ];
  await exec(['mmdebstrap', ...words, suite, '-'], { ...options, env: { ...env, SOURCES: file } });
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.startsWith('deb '));
  return lines.map((line) => line.replace(/^deb (\[[^\]]*\] )?/, `deb [signed-by=${DEBIAN_KEYRING}] `));
}

/** Does what the script of ca-certificates would do: one file with all certificates. */
async function bundleAuthorities(tree: string): Promise<void> {
  const from = join(tree, 'usr/share/ca-certificates/mozilla');
  const names = (await readdir(from)).filter((name) => name.endsWith('.crt')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(from, name), 'utf8')));
  const into = join(tree, 'etc/ssl/certs');
  await mkdir(into, { recursive: true });
  await writeFile(join(into, 'ca-certificates.crt'), texts.map((text) => `${text.trimEnd()}\n`).join(''));
}

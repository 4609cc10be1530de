import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { isErrno } from '../../../src/base/errors.ts';
import type { Paths } from '../../../src/config/paths.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';

/** Names of the files of a template and of a snapshot, without its drives. */
const SAVED = ['manifest.json', 'memory', 'state'];

/** Files that every VM's folder has. A fake guest keeps its files in the runtime folder instead. */
const LOGS = ['console.log', 'vmm.log'];
const OF_A_FAKE = ['guest-root'];
const OF_A_VMM = ['agent.sock', 'qmp.sock', 'qemu.pid'];

/**
 * The files, folders and processes on the host for which no record accounts, and those that a record names
 * and that are missing. Empty when there are none. With `ownsCache`, no other daemon uses the cache.
 * `poolVmIds` are those of the pool VMs, which have no record on purpose.
 */
export async function residue(
  paths: Paths,
  records: readonly VmRecord[],
  { ownsCache, poolVmIds }: { ownsCache: boolean; poolVmIds: readonly string[] },
): Promise<string[]> {
  const wrong: string[] = [];
  const vmDirs = await namesIn(paths.vmsDir);
  const runtimeDirs = await namesIn(paths.vmRuntimeDir);
  const known = [...records.map(({ id }) => id), ...poolVmIds];
  const baseDirs = await namesIn(paths.vmBasesDir);
  for (const id of new Set([...vmDirs, ...baseDirs, ...runtimeDirs]))
    if (!known.includes(id)) wrong.push(`folder ${id}`);
  const processes = (await vmmsBelow(paths.vmRuntimeDir)).map(({ folder }) => folder);
  for (const record of records) {
    const own = processes.filter((folder) => folder.split('/')[0] === record.id);
    wrong.push(...(await wrongOfVm(paths, record, own[0] ?? record.id)));
    if (own.length !== (record.state === 'running' ? 1 : 0)) {
      wrong.push(`VMMs of ${record.name} (${record.state}): ${own.join()}`);
    }
  }
  wrong.push(...(await packersOf(paths)));
  for (const folder of processes)
    if (!known.some((id) => folder.startsWith(id))) wrong.push(`VMM of ${folder}`);
  if (ownsCache) wrong.push(...(await wrongInCache(paths)));
  return wrong;
}

/**
 * `place` is the folder of the VMM in the runtime folder: the VM's own, or one below that for a VMM that
 * replaced another.
 */
async function wrongOfVm(
  { vmsDir, vmRuntimeDir }: Paths,
  record: VmRecord,
  place: string,
): Promise<string[]> {
  const dir = join(vmsDir, record.id);
  const drives = (record.drives ?? []).filter(({ isReadOnly }) => !isReadOnly);
  const wanted = new Set(drives.map(({ pathOnHost }) => relative(dir, pathOnHost)));
  // Only saves work, and the next copy of a working tree replaces it.
  const isOfSentTree = (path: string): boolean => /^workspace(-[0-9a-f]+)?(\.new)?\//.test(path);
  if (record.state === 'suspended') for (const part of ['memory', 'state']) wanted.add(`suspended/${part}`);
  const found = await filesIn(dir);
  const wrong = [...wanted].filter((path) => !found.includes(path)).map((path) => `${path} is missing`);
  for (const path of found) {
    const [folder = '', tag = '', file = ''] = path.split('/');
    const isSnapshot =
      folder === 'snapshots' && (tag === '.staging/' || SAVED.includes(file) || /\.(qcow2|raw)$/.test(file));
    const isEmptyArea = path === 'snapshots/.staging/';
    if (!wanted.has(path) && !LOGS.includes(path) && !isSnapshot && !isEmptyArea && !isOfSentTree(path))
      wrong.push(path);
  }
  for (const tag of await namesIn(join(dir, 'snapshots'))) {
    if (tag === '.staging') continue;
    if (!existsSync(join(dir, 'snapshots', tag, 'manifest.json'))) wrong.push(`half a snapshot ${tag}`);
  }
  if (record.hasSecondVmm) wrong.push('a second VMM on record');
  for (const path of await filesIn(join(vmRuntimeDir, record.id))) {
    const isOfTheVmm =
      record.state === 'running' &&
      OF_A_VMM.includes(basename(path)) &&
      dirname(join(record.id, path)) === place;
    const isOfAFake = path.split('/').some((name) => OF_A_FAKE.includes(name));
    // Its VMM has ended and left it empty; the next start removes it.
    const isEmptySecond = /^r-[^/]+\/$/.test(path);
    if (!isOfTheVmm && !isOfAFake && !isEmptySecond) wrong.push(`${path} in the runtime folder`);
  }
  return wrong.map((what) => `of ${record.name} (${record.state}): ${what}`);
}

async function wrongInCache({
  templatesDir,
  vmmCacheDir,
  workspaceTempDir,
  workspaceBasesDir,
}: Paths): Promise<string[]> {
  const wrong: string[] = [];
  for (const path of await filesIn(templatesDir)) {
    const isPart = /^[0-9a-f]{64}\/(manifest\.json|memory|state|(overlay|work)\.(qcow2|raw))$/.test(path);
    if (!isPart && path !== '.lock' && path !== '.staging/') wrong.push(`${path} in the templates`);
  }
  for (const key of await namesIn(templatesDir)) {
    if (key.startsWith('.')) continue;
    for (const part of SAVED)
      if (!existsSync(join(templatesDir, key, part))) wrong.push(`template without ${part}`);
  }
  for (const path of await filesIn(vmmCacheDir)) {
    if (!/^blank-disks\/([a-z0-9-]+\.qcow2|\.lock|\.staging\/)?$|^kvm/.test(path))
      wrong.push(`${path} in the cache`);
  }
  const ofBases = await filesIn(workspaceBasesDir);
  const isPart = /^[0-9a-f]{64}\.[0-9]+\/(manifest\.json|disk\.ext4|sent(-[0-9a-f]+)?\/.*)$/;
  for (const path of ofBases)
    if (!isPart.test(path) && path !== '.staging/') wrong.push(`${path} of the base images`);
  const folders = new Set(
    ofBases.filter((path) => isPart.test(path)).map((path) => dirname(path).split('/')[0] ?? ''),
  );
  const keys = new Set<string>();
  for (const name of folders) {
    for (const part of ['manifest.json', 'disk.ext4', 'sent/sent.json'])
      if (!ofBases.includes(join(name, part))) wrong.push(`base image without ${part}`);
    const [key = ''] = name.split('.');
    if (keys.has(key)) wrong.push(`two base images for ${key}`);
    keys.add(key);
  }
  return [...wrong, ...(await filesIn(workspaceTempDir)).map((path) => `${path} of a workspace`)];
}

/** All files below `dir`, and its empty folders with a slash at the end. */
async function filesIn(dir: string, under = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await entriesIn(join(dir, under))) {
    const path = join(under, entry.name);
    if (!entry.isDirectory()) found.push(path);
    else {
      const inside = await filesIn(dir, path);
      found.push(...(inside.length === 0 ? [`${path}/`] : inside));
    }
  }
  return found;
}

async function namesIn(dir: string): Promise<string[]> {
  return (await entriesIn(dir)).map(({ name }) => name);
}

async function entriesIn(dir: string) {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Programs of the host that pack a working tree or make a base image of it. */
export async function packersOf({
  workspaceBasesDir,
  workspaceTempDir,
}: Pick<Paths, 'workspaceBasesDir' | 'workspaceTempDir'>): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await namesIn('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words.some((word) => [workspaceBasesDir, workspaceTempDir].some((dir) => word.includes(`${dir}/`))))
      found.push(`process ${words.join(' ')}`);
  }
  return found;
}

/** The VMMs whose pid file or socket is below `vmRuntimeDir`, with the folder of each. */
export async function vmmsBelow(vmRuntimeDir: string): Promise<{ pid: number; folder: string }[]> {
  const found: { pid: number; folder: string }[] = [];
  for (const pid of await namesIn('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const at = words.findIndex((word) => word === '-pidfile' || word === '--socket');
    const path = words[at + 1] ?? '';
    if (at < 0 || !path.startsWith(`${vmRuntimeDir}/`)) continue;
    found.push({ pid: Number(pid), folder: relative(vmRuntimeDir, dirname(path)) });
  }
  return found;
}

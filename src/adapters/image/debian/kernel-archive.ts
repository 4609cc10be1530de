import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { exec } from '../../../base/process/exec.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { AvailableKernel } from '../../../core/ports/images/kernels.ts';
import { type AptHost, sourcesLines } from './apt-host.ts';
import { kernelName } from './kernel-name.ts';
import type { DebianRecipe } from './recipe.ts';

const DEADLINE_MS = 5 * 60_000;

/** What {@link listKernels} needs. */
export interface KernelArchive extends Abortable {
  recipe: DebianRecipe;
  host: AptHost;
  archs: readonly GuestArch[];
  uid: number;
  env: NodeJS.ProcessEnv;
  /** empty folder for the lists of packages */
  dir: string;
}

/**
 * Asks the archive for the newest kernel of each architecture, with an apt of its own in `dir` that knows
 * nothing of this host's packages. It checks the archive's signatures.
 *
 * @throws {AppError} EXEC_FAILED, EXEC_NOT_FOUND of apt; KERNEL_LIST_UNAVAILABLE when this host's apt knows
 * no mirror of Debian, or the archive has no kernel.
 */
export async function listKernels(archive: KernelArchive): Promise<AvailableKernel[]> {
  const { dir, env, signal, archs, recipe } = archive;
  await writeAptConfig(archive);
  const run = { signal, env: { ...env, APT_CONFIG: join(dir, 'apt.conf') }, deadlineMs: DEADLINE_MS };
  await exec(['apt-get', '--quiet', '--quiet', 'update'], run);
  const show = async (name: string, arch: GuestArch): Promise<Map<string, string>> => {
    const { stdout } = await exec(['apt-cache', 'show', '--no-all-versions', `${name}:${arch}`], run);
    return packageFields(stdout.toString());
  };
  return await Promise.all(
    archs.map(async (arch) => {
      const metapackage = await show(recipe.kernelPackage(arch), arch);
      const name = /\b(linux-image-[a-z0-9.+-]+)/.exec(metapackage.get('Depends') ?? '')?.[1];
      const fields = name === undefined ? undefined : await show(name, arch);
      const [version, size] = [fields?.get('Version'), Number(fields?.get('Size'))];
      if (name === undefined || version === undefined || !Number.isSafeInteger(size)) {
        throw new AppError(
          'KERNEL_LIST_UNAVAILABLE',
          `Cannot list kernels: the archive has none for ${arch}`,
        );
      }
      const release = name.slice('linux-image-'.length);
      return { name: kernelName(release, version), release, arch, downloadBytes: size };
    }),
  );
}

/** The fields of the first package in the output of `apt-cache show`; only those of one line. */
export function packageFields(text: string): Map<string, string> {
  const [first = ''] = text.split(/\n\n/, 1);
  return new Map(
    [...first.matchAll(/^([A-Za-z-]+): (.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

function noMirrors(): AppError {
  return new AppError(
    'KERNEL_LIST_UNAVAILABLE',
    "Cannot list kernels: this host's apt knows no mirror of Debian",
    {
      hint: 'banger kernel pull fetches the newest one all the same',
    },
  );
}

async function writeAptConfig({ dir, recipe, host, archs, uid }: KernelArchive): Promise<void> {
  for (const folder of [
    'lists/partial',
    'cache/archives/partial',
    'etc/apt.conf.d',
    'etc/preferences.d',
    'log',
  ]) {
    await mkdir(join(dir, folder), { recursive: true });
  }
  await writeFile(join(dir, 'status'), '');
  const lines = sourcesLines(recipe, host.mirrors);
  if (lines.length === 0) throw noMirrors();
  await writeFile(join(dir, 'sources.list'), `${lines.join('\n')}\n`);
  const place = (name: string): string => `"${join(dir, name)}"`;
  const config = [
    host.options,
    `Dir::State::status ${place('status')};`,
    `Dir::State::lists ${place('lists')};`,
    `Dir::State ${place('')};`,
    `Dir::Cache ${place('cache')};`,
    `Dir::Log ${place('log')};`,
    `Dir::Etc ${place('etc')};`,
    `Dir::Etc::sourcelist ${place('sources.list')};`,
    'Dir::Etc::sourceparts "/dev/null";',
    `APT::Architecture "${archs[0] ?? ''}";`,
    `APT::Architectures { ${archs.map((arch) => `"${arch}";`).join(' ')} };`,
    'Acquire::Languages "none";',
    // Otherwise apt of root becomes another user for downloads, who may not write here.
    ...(uid === 0 ? ['APT::Sandbox::User "root";'] : []),
    '',
  ];
  await writeFile(join(dir, 'apt.conf'), config.join('\n'));
}

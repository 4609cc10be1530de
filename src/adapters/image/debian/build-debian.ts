import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';
import { systemPath, toolEnv, type Variables } from '../../../base/process/programs.ts';
import { inRootNamespace, NAMESPACE_GRACE_MS } from '../../../base/process/root-namespace.ts';
import { LineSplitter } from '../../../base/text/line-splitter.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { UnpackedKernel } from '../../../core/ports/images/kernels.ts';
import type { Task } from '../../../protocol/events.ts';
import { readAptHost, sourcesLines } from './apt-host.ts';
import { BuildProgress } from './build-progress.ts';
import { writeBuildWall } from './build-wall.ts';
import { kernelName } from './kernel-name.ts';
import { fetchNpmProgram } from './npm-program.ts';
import type { DebianRecipe } from './recipe.ts';
import {
  BUILD,
  customizeScript,
  downloadScript,
  dpkgOptions,
  essentialScript,
  finishScript,
} from './recipe-scripts.ts';

/** Where and how a tree is built. */
export interface BuildOptions extends Task {
  /** empty folder for everything that the build creates */
  dir: string;
  arch: GuestArch;
  /** of the kernel; default: the same */
  kernelArch?: GuestArch;
  uid: number;
  /** the caller's environment */
  env: Variables;
  /** the program `banger-host`, which confines the scripts of packages to the build's folder */
  hostTools: string;
  log: Logger;
}

/** What a build leaves in its folder. */
export interface BuiltTree {
  /** the root file system; its owners are those of {@link inRootNamespace} */
  treeDir: string;
  kernel: UnpackedKernel;
}

/**
 * Creates the tree of a Debian image and unpacks its kernel. After a failure or an abort, the caller removes
 * the files in `dir`; no process is left.
 *
 * @throws {AppError} EXEC_FAILED of the tool that failed, IMAGE_CHECKSUM_MISMATCH.
 */
export async function buildDebian(recipe: DebianRecipe, options: BuildOptions): Promise<BuiltTree> {
  const { dir, arch, kernelArch = arch, uid, env, hostTools, log, report, signal } = options;
  // HOME as inside the image: what the scripts of packages write there must not contain this user's name.
  const toolsEnv = {
    ...toolEnv(env),
    HOME: '/root',
    BUILD: dir,
    PATH: `${join(dir, BUILD.bin)}:${systemPath(env)}`,
    TMPDIR: join(dir, BUILD.temp),
  };
  const hasWall = await writeBuildWall({ dir, hostTools, env: toolEnv(env) });
  if (!hasWall) log.warn('the scripts of packages run without a wall', { missing: hostTools });
  report({ event: 'progress', stage: 'resolve', detail: 'mirrors' });
  const host = await readAptHost({ env: toolEnv(env), signal });
  await writeInputs(recipe, { dir, arch, kernelArch, aptOptions: host.options });
  for (const program of recipe.npmPrograms(arch)) {
    report({ event: 'progress', stage: 'download', detail: program.package });
    const npmEnv = { ...env, PATH: systemPath(env) };
    await fetchNpmProgram(program, { dir: join(dir, BUILD.programs), env: npmEnv, signal });
  }
  const treeDir = join(dir, BUILD.tree);
  const lines = new LineSplitter();
  const progress = new BuildProgress(report);
  const run = {
    signal,
    env: toolsEnv,
    graceMs: NAMESPACE_GRACE_MS,
    deadlineMs: LONG_WORK_DEADLINE_MS,
  };
  await exec(
    inRootNamespace(
      mmdebstrap(recipe, {
        dir,
        archs: new Set([arch, kernelArch]),
        sources: sourcesLines(recipe, host.mirrors),
      }),
      { uid },
    ),
    {
      ...run,
      onStderr: (chunk) => {
        for (const line of lines.push(chunk)) progress.push(line);
      },
    },
  );
  await exec(
    inRootNamespace([join(dir, BUILD.bin, 'confined'), 'sh', join(dir, BUILD.finishScript), treeDir], {
      uid,
    }),
    run,
  );
  return { treeDir, kernel: await findKernel(join(dir, BUILD.kernel), kernelArch) };
}

/**
 * Inside our own namespace, "root" mode works for every user, even in a home folder that nobody else may
 * enter; mmdebstrap's own "unshare" mode does not.
 */
function mmdebstrap(
  recipe: DebianRecipe,
  { dir, archs, sources }: { dir: string; archs: ReadonlySet<GuestArch>; sources: readonly string[] },
): [string, ...string[]] {
  return [
    'mmdebstrap',
    ...[
      '--mode=root',
      '--variant=apt',
      '--format=directory',
      '--verbose',
      `--architectures=${[...archs].join(',')}`,
    ],
    `--components=${recipe.components.join(',')}`,
    `--include=${recipe.packages.join(',')}`,
    `--aptopt=${join(dir, BUILD.aptOptions)}`,
    // No fsync per file: a build that a power cut ends is discarded, and a successful one is synced as a
    // whole.
    '--dpkgopt=force-unsafe-io',
    `--extract-hook=sh "$BUILD/${BUILD.downloadScript}" "$1"`,
    `--essential-hook="$BUILD/${BUILD.bin}/confined" sh "$BUILD/${BUILD.essentialScript}" "$1"`,
    `--customize-hook="$BUILD/${BUILD.bin}/confined" sh "$BUILD/${BUILD.customizeScript}" "$1"`,
    recipe.suite,
    join(dir, BUILD.tree),
    ...sources,
  ];
}

async function writeInputs(
  recipe: DebianRecipe,
  {
    dir,
    arch,
    kernelArch,
    aptOptions,
  }: { dir: string; arch: GuestArch; kernelArch: GuestArch; aptOptions: string },
): Promise<void> {
  const write = (name: string, content: string) => writeFile(join(dir, name), content, { mode: 0o644 });
  await write(BUILD.aptOptions, aptOptions);
  await write(BUILD.dpkgOptions, dpkgOptions(recipe));
  await write(BUILD.downloadScript, downloadScript(recipe, { arch, kernelArch }));
  await write(BUILD.essentialScript, essentialScript());
  await write(BUILD.customizeScript, customizeScript(recipe, arch));
  await write(BUILD.finishScript, finishScript(recipe));
  await mkdir(join(dir, BUILD.files));
  for (const { path, content, mode } of recipe.files) {
    const target = join(dir, BUILD.files, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, content, { mode: mode ?? 0o644 });
  }
}

/**
 * Finds the unpacked kernel. Its store name includes the package's version, because one release gets several.
 */
async function findKernel(dir: string, arch: GuestArch): Promise<UnpackedKernel> {
  const [release, ...others] = await readdir(join(dir, 'lib', 'modules'));
  if (release === undefined || others.length > 0) {
    throw new AppError(
      'IMAGE_BUILD_FAILED',
      'Cannot use the kernel package: it does not contain exactly one kernel',
    );
  }
  const version = (await readFile(join(dir, 'version'), 'utf8')).trim();
  return {
    name: kernelName(release, version),
    release,
    arch,
    kernelPath: join(dir, 'boot', `vmlinuz-${release}`),
    configPath: join(dir, 'boot', `config-${release}`),
    modulesTree: join(dir, 'lib', 'modules', release),
  };
}

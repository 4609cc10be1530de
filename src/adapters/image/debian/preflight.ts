import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { isThere } from '../../../base/files/if-there.ts';
import { findProgram, type Variables } from '../../../base/process/programs.ts';
import { packagesOf } from '../../../core/rules/host-packages.ts';
import { freeBytes, noSpace } from '../space.ts';
import { findNamespaceProblem } from './namespaces.ts';
import { DEBIAN_KEYRING } from './recipe-scripts.ts';

/** Peak disk usage of a build: the tree, its packages, the image, the kernel. */
const BUILD_BYTES = 3 * 2 ** 30;

/** What {@link checkHost} examines. */
export interface HostCheckOptions extends Abortable {
  imageName: string;
  /** where everything is made */
  dir: string;
  uid: number;
  env: NodeJS.ProcessEnv;
}

/** Programs that a build runs. */
const TOOLS = ['mmdebstrap', 'mkfs.ext4', 'unshare', 'setpriv', 'tar', 'npm'];

/** Programs that a build runs only for an ordinary user. */
const USER_TOOLS = ['newuidmap'];

/**
 * Checks that a build can work here before anything is made; changes nothing.
 *
 * @throws {AppError} IMAGE_TOOL_MISSING naming everything that is missing; HOST_NO_SPACE; IMAGE_NEEDS_SUBIDS,
 * IMAGE_NEEDS_NAMESPACES with the fix.
 */
export async function checkHost(options: HostCheckOptions): Promise<void> {
  const { uid, ...host } = options;
  await checkTools(uid === 0 ? TOOLS : [...TOOLS, ...USER_TOOLS], host);
  await checkSpace(options.dir, options.imageName);
  await checkNamespaces(options);
}

/** @throws {AppError} HOST_NO_SPACE when fewer than {@link BUILD_BYTES} are free in `dir`. */
async function checkSpace(dir: string, imageName: string): Promise<void> {
  const free = await freeBytes(dir);
  if (free < BUILD_BYTES) throw noSpace(imageName, { dir, free, neededBytes: BUILD_BYTES });
}

/** @throws {AppError} IMAGE_TOOL_MISSING naming those programs, and Debian's keys, that are missing. */
export async function checkTools(
  wanted: readonly string[],
  { imageName, env }: { imageName: string; env: Variables },
): Promise<void> {
  const missing: string[] = [];
  for (const program of wanted) if (!(await findProgram(program, env))) missing.push(program);
  if (!(await isThere(DEBIAN_KEYRING))) missing.push(DEBIAN_KEYRING);
  if (missing.length === 0) return;
  const names = missing.map((name) => `"${name}"`).join(', ');
  const packages = packagesOf(missing);
  throw new AppError(
    'IMAGE_TOOL_MISSING',
    `Cannot build image "${imageName}": these programs are missing: ${names}`,
    {
      hint: `install the packages; on Debian and Ubuntu: sudo apt install ${packages.apt}`,
      details: { programs: missing, packages },
    },
  );
}

async function checkNamespaces({ imageName, uid, env, signal }: HostCheckOptions): Promise<void> {
  const problem = await findNamespaceProblem({ uid, env }, { signal });
  if (!problem) return;
  const { code, message, hint, details, cause } = problem;
  throw new AppError(code, `Cannot build image "${imageName}": ${message}`, { hint, details, cause });
}

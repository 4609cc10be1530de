import { readFile } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError, isErrno } from '../../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import type { DebianRecipe } from './recipe.ts';
import { DEBIAN_KEYRING } from './recipe-scripts.ts';

/** Debian's mirrors, as configured on this host. */
export interface DebianMirrors {
  archive: string;
  security: string;
}

/** What a build adopts from this host's apt configuration. */
export interface AptHost {
  /** absent when the host is not Debian or uses mirrors that a VM could not reach */
  mirrors?: DebianMirrors;
  /** apt.conf(5) text for the build alone: proxies, timeouts */
  options: string;
}

/** Settings for reaching a mirror. Others, such as hooks and cache folders, concern only the host. */
const NETWORK_OPTION =
  /^Acquire::(https?|ftp)(::|\s)|^Acquire::(Check-Valid-Until|Check-Date|ForceIPv[46]|Retries)\s/i;

/** A mirror that does not answer must fail the build, not hang it. */
const DEFAULT_OPTIONS =
  'Acquire::Retries "3";\nAcquire::http::Timeout "30";\nAcquire::https::Timeout "30";\n';

/** Queries this host's apt and os-release(5); returns defaults on a host without apt. */
export async function readAptHost(options: Abortable & { env: NodeJS.ProcessEnv }): Promise<AptHost> {
  const dump = await output(['apt-config', 'dump'], options);
  const network = dump.split('\n').filter((line) => NETWORK_OPTION.test(line));
  const mirrors = await hostMirrors(options);
  return { ...(mirrors ? { mirrors } : {}), options: `${DEFAULT_OPTIONS}${network.join('\n')}\n` };
}

async function hostMirrors(
  options: Abortable & { env: NodeJS.ProcessEnv },
): Promise<DebianMirrors | undefined> {
  const codename = debianCodename(await readIfThere('/etc/os-release'));
  if (!codename) return undefined;
  const format = '$(REPO_URI) $(RELEASE)';
  const targets = await output(
    ['apt-get', 'indextargets', '--format', format, 'Created-By: Packages'],
    options,
  );
  return parseMirrors(targets, codename);
}

/** The release of a Debian host, from the text of os-release(5). */
export function debianCodename(osRelease: string): string | undefined {
  const field = (name: string) => new RegExp(`^${name}="?([a-z]+)"?$`, 'm').exec(osRelease)?.[1];
  return field('ID') === 'debian' ? field('VERSION_CODENAME') : undefined;
}

/**
 * Picks Debian's mirrors from lines of `uri release`. The image keeps them, so they must also work there:
 * reachable over the network and without a password. Takes both or neither, because a mix could miss security
 * updates.
 */
export function parseMirrors(targets: string, codename: string): DebianMirrors | undefined {
  const lines = targets.split('\n').map((line) => line.trim().split(' '));
  const uriOf = (release: string) =>
    lines
      .find(([uri, of]) => of === release && uri !== undefined && isShareable(uri))?.[0]
      ?.replace(/\/+$/, '');
  const archive = uriOf(codename);
  const security = uriOf(`${codename}-security`);
  return archive && security ? { archive, security } : undefined;
}

function isShareable(uri: string): boolean {
  const url = URL.parse(uri);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) return false;
  return !/^(localhost|127\..*|\[::1\])$/.test(url.hostname);
}

/** Lines of sources.list(5) for the recipe; empty to use mmdebstrap's own. */
export function sourcesLines(
  recipe: Pick<DebianRecipe, 'suite' | 'components'>,
  mirrors: DebianMirrors | undefined,
): string[] {
  if (!mirrors) return [];
  const { suite } = recipe;
  const components = recipe.components.join(' ');
  const line = (uri: string, of: string) => `deb [signed-by=${DEBIAN_KEYRING}] ${uri} ${of} ${components}`;
  return [
    line(mirrors.archive, suite),
    line(mirrors.archive, `${suite}-updates`),
    line(mirrors.security, `${suite}-security`),
  ];
}

async function output(
  argv: readonly [string, ...string[]],
  { signal, env }: Abortable & { env: NodeJS.ProcessEnv },
): Promise<string> {
  try {
    return (await exec(argv, { signal, env, deadlineMs: PROBE_DEADLINE_MS })).stdout.toString();
  } catch (error) {
    if (isAppError(error, 'EXEC_NOT_FOUND', 'EXEC_FAILED')) return '';
    throw error;
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

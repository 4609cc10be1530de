import { cp, lstat, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Feature } from './feature.ts';
import { invalid } from './order.ts';

/** Users for whom features are installed. */
export interface FeatureUsers {
  /** of the hooks and of commands */
  remoteUser: string;
  /** of the system, as the image or the file says */
  containerUser: string;
}

/** What the features are installed into. */
export interface FeatureBase extends FeatureUsers {
  /** name of an image that a Dockerfile can begin with */
  image: string;
  /** of the image itself; empty: root */
  imageUser: string;
}

/** Where the files of features are while they are installed. */
const GUEST_DIR = '/tmp/.banger-features';

/** Most files, and `bytes`, of one feature. */
const MAX_FILES = 10_000;
const MAX_BYTES = 256 * 2 ** 20;

/**
 * Runs a feature's script as root in a copy of its folder, with its options as variables, and removes its
 * files. It needs a shell, `chmod` and `rm` of the image, and no more.
 */
const INSTALL_SCRIPT = `set -eu
place=${GUEST_DIR}/$1
home_of() {
  while IFS=: read -r name _ id _ _ home _; do
    if [ "$name" = "$1" ] || [ "$id" = "$1" ]; then
      printf '%s' "$home"
      return
    fi
  done </etc/passwd
  if [ "$1" = root ]; then printf /root; fi
}
set -a
. "$place/options"
_REMOTE_USER_HOME=$(home_of "$_REMOTE_USER" 2>/dev/null || true)
_CONTAINER_USER_HOME=$(home_of "$_CONTAINER_USER" 2>/dev/null || true)
set +a
cd "$place/feature"
chmod +x install.sh
status=0
./install.sh || status=$?
cd /
if [ "$status" != 0 ]; then
  echo "feature $2: install.sh ended with status $status" >&2
  exit "$status"
fi
rm -rf "$place"
`;

/**
 * Writes a Dockerfile that installs `features`, in their order, and the files that it copies, to the empty
 * folder `dir`; returns the Dockerfile's path.
 *
 * @throws {AppError} DEVCONTAINER_FEATURE_INVALID for a feature with too many files.
 */
export async function writeBuildContext(
  features: readonly Feature[],
  { dir, base }: { dir: string; base: FeatureBase },
): Promise<string> {
  await writeFile(join(dir, 'install.sh'), INSTALL_SCRIPT);
  const lines = [`FROM ${base.image}`, 'USER root', `COPY install.sh ${GUEST_DIR}/install.sh`];
  for (const [at, feature] of features.entries()) {
    await mkdir(join(dir, String(at)));
    await copyFeature(feature, join(dir, String(at), 'feature'));
    await writeFile(join(dir, String(at), 'options'), optionsText(feature, base));
    lines.push(`COPY ${at} ${GUEST_DIR}/${at}`, ...envLines(feature));
    lines.push(`RUN ${JSON.stringify(['/bin/sh', `${GUEST_DIR}/install.sh`, String(at), feature.ref])}`);
  }
  lines.push(`RUN ["/bin/sh", "-c", "rm -rf ${GUEST_DIR}"]`, `USER ${base.imageUser || 'root'}`);
  const dockerfile = join(dir, 'Dockerfile');
  await writeFile(dockerfile, `${lines.join('\n')}\n`);
  return dockerfile;
}

/** Name of the variable that an option becomes, as the specification says. */
export function variableOf(option: string): string {
  return option
    .replace(/\W/g, '_')
    .replace(/^[\d_]+/, '_')
    .toUpperCase();
}

function optionsText({ options, metadata }: Feature, { remoteUser, containerUser }: FeatureUsers): string {
  const values = { ...metadata.defaults, ...options };
  const variables = Object.entries(values).map(([name, value]) => [variableOf(name), value] as const);
  const users = [
    ['_REMOTE_USER', remoteUser],
    ['_CONTAINER_USER', containerUser],
  ] as const;
  return [...variables, ...users].map(([name, value]) => `${name}=${shellQuote(value)}\n`).join('');
}

/** The value may refer to variables that are there, as `PATH`. */
function envLines({ metadata }: Feature): string[] {
  return Object.entries(metadata.containerEnv).map(
    ([name, value]) => `ENV ${name}="${value.replace(/["\\]/g, '\\$&')}"`,
  );
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Links stay links, which only the guest follows; anything but files, folders and links is left out. */
async function copyFeature({ ref, dir }: Feature, to: string): Promise<void> {
  let files = 0;
  let bytes = 0;
  const filter = async (from: string): Promise<boolean> => {
    const found = await lstat(from);
    files += 1;
    bytes += found.isFile() ? found.size : 0;
    if (files > MAX_FILES || bytes > MAX_BYTES) {
      throw invalid(`"${ref}" has more than ${MAX_FILES} files or 256 MiB`, { feature: ref });
    }
    return found.isFile() || found.isDirectory() || found.isSymbolicLink();
  };
  await cp(dir, to, { recursive: true, verbatimSymlinks: true, filter });
}

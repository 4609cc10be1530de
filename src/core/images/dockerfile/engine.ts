import type { ExecStart } from '../../../protocol/guest.ts';

/*
 * buildah in the guest of the builder. Its folders are on the cache disk, except what may hold secrets: the
 * folders of working containers (buildah copies a secret there for each RUN) and the secrets themselves are
 * in memory, so that no secret is ever on a disk.
 *
 *     /root/engine/
 *       storage/                      layers and images
 *         overlay-containers/         memory
 *       tmp/                          RUN --mount=type=cache, and layers that are being written
 *       build/                        of the build that runs: context/, files/, bases/, result/
 *     /run/banger-build/              memory: secrets
 */

const ROOT = '/root/engine';
/** Folder of the build that runs. */
const BUILD_DIR = `${ROOT}/build`;
/** The files that the Dockerfile copies. */
export const CONTEXT_DIR = `${BUILD_DIR}/context`;
/** The Dockerfile itself. */
export const FILES_DIR = `${BUILD_DIR}/files`;
/** Image layout of an image that the engine is about to take. */
export const BASE_DIR = `${BUILD_DIR}/base`;
/** Image layout of the result. */
export const RESULT_DIR = `${BUILD_DIR}/result`;
/** The secrets, in memory, each by its number. */
export const SECRETS_DIR = '/run/banger-build';

const STORAGE = `${ROOT}/storage`;
const TEMP = `${ROOT}/tmp`;
const STORES = [`--root=${STORAGE}`, '--runroot=/run/containers/storage', '--storage-driver=overlay'];
const RESULT = 'localhost/banger-result:latest';

/** Makes the folders, and removes what an interrupted build has left. Idempotent. */
export const PREPARE: ExecStart = {
  argv: [
    'sh',
    '-c',
    [
      'set -eu',
      'modprobe overlay || true',
      `rm -rf ${BUILD_DIR} ${SECRETS_DIR}`,
      `mkdir -p ${STORAGE}/overlay-containers ${TEMP} ${CONTEXT_DIR} ${FILES_DIR} ${BASE_DIR} ${RESULT_DIR}`,
      `mkdir -m 0700 ${SECRETS_DIR}`,
      `mountpoint -q ${STORAGE}/overlay-containers || mount -t tmpfs -o mode=0700,size=10% containers ${STORAGE}/overlay-containers`,
    ].join('\n'),
  ],
  cwd: '/',
};

/** Ends what a build has left running, and removes its files; the layers stay. */
export const CLEAN_UP: ExecStart = {
  argv: [
    'sh',
    '-c',
    `${['buildah', ...STORES].join(' ')} rm --all >/dev/null 2>&1; rm -rf ${BUILD_DIR} ${SECRETS_DIR}`,
  ],
  cwd: '/',
};

/** A secret of a build. */
export interface GuestSecret {
  id: string;
  guestPath: string;
}

/** What the engine is told about a build. */
export interface EngineBuild {
  guestDockerfile: string;
  buildArgs: Readonly<Record<string, string>>;
  target?: string;
  secrets: readonly GuestSecret[];
  noCache: boolean;
}

/** Builds; images that it begins with must be there. */
export function buildCommand(build: EngineBuild): ExecStart {
  return buildah([
    ...['build', '--layers', '--pull-never', '--format=oci', '--isolation=oci', '--runtime=crun'],
    // The network of the guest, which is none without NAT.
    '--network=host',
    ...[`--file=${build.guestDockerfile}`, `--tag=${RESULT}`],
    ...Object.entries(build.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...(build.target === undefined ? [] : [`--target=${build.target}`]),
    ...build.secrets.map(({ id, guestPath }) => `--secret=id=${id},src=${guestPath}`),
    ...(build.noCache ? ['--no-cache'] : []),
    CONTEXT_DIR,
  ]);
}

/** Writes the result as an image layout. Compressing it would take longer than passing it on. */
export const EXPORT = buildah(['push', '--quiet', '--disable-compression', RESULT, `oci:${RESULT_DIR}`]);

/** Succeeds when the engine has the image of a manifest. */
export function hasBaseCommand(manifestDigest: string): ExecStart {
  return buildah(['inspect', '--type=image', '--format={{.FromImageID}}', baseTag(manifestDigest)]);
}

/** Takes the image whose layout is in {@link BASE_DIR}; prints its id. */
export const TAKE_BASE = buildah(['pull', '--quiet', `oci:${BASE_DIR}`]);

/** Gives an image the names by which it is found. */
export function tagCommand(image: string, manifestDigest: string, name: string): ExecStart {
  return buildah(['tag', image, baseTag(manifestDigest), name]);
}

/** The name of an image by its manifest, so that each is brought only once. */
function baseTag(manifestDigest: string): string {
  return `localhost/banger-base:${manifestDigest.replace('sha256:', '')}`;
}

function buildah(words: readonly string[]): ExecStart {
  return { argv: ['buildah', ...STORES, ...words], env: { TMPDIR: TEMP, HOME: '/root' }, cwd: '/' };
}

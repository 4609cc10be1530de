import { AppError } from '../../base/errors.ts';

/*
 * Names of images. A plain name is of this host only; a reference also says where the image comes from, as
 * container tools write it:
 *
 *     [REGISTRY/]REPOSITORY[:TAG][@DIGEST]     alpine:3.20, localhost:5000/team/tool@sha256:...
 *
 * Its full form names the registry and the tag or digest: docker.io/library/alpine:3.20.
 */

/** A plain name of an image: no path, no hidden file. */
export const PLAIN_IMAGE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Most characters of a reference in full form: it is the name of a file. */
const MAX_CHARS = 230;

const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_TAG = 'latest';

// The grammar of the distribution specification, as container tools read it.
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The parts of a reference. */
export interface ImageRef {
  /** `docker.io` or `localhost:5000` */
  registry: string;
  repository: string;
  /** absent when only the digest counts */
  tag?: string;
  digest?: string;
}

/**
 * Parses a reference; fills in registry and tag as container tools do.
 *
 * @throws {AppError} IMAGE_REFERENCE_INVALID
 */
export function parseImageRef(text: string): ImageRef {
  const [beforeDigest = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw invalid(text, 'its digest is not "sha256:" and 64 hex digits');
  }
  const [, path = '', tag] = /^(.*?)(?::([^:/]*))?$/s.exec(beforeDigest) ?? [];
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `"${tag}" is not a tag`);
  const [first = '', ...rest] = path.split('/');
  const hasHost = rest.length > 0 && (/[.:[]/.test(first) || first === 'localhost');
  const registry = hasHost ? canonicalHost(first) : DEFAULT_REGISTRY;
  const named = hasHost ? rest.join('/') : path;
  const repository = registry === DEFAULT_REGISTRY && !named.includes('/') ? `library/${named}` : named;
  if (!HOST.test(registry)) throw invalid(text, `"${registry}" is not a registry`);
  if (!REPOSITORY.test(repository)) {
    const why = /[A-Z]/.test(named)
      ? 'a repository has no upper-case letters'
      : `"${named}" is not a repository`;
    throw invalid(text, why);
  }
  const ref: ImageRef = {
    registry,
    repository,
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: DEFAULT_TAG } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
  if (formatImageRef(ref).length > MAX_CHARS)
    throw invalid(text, `it is longer than ${MAX_CHARS} characters`);
  return ref;
}

/** The full form of a reference. */
export function formatImageRef({ registry, repository, tag, digest }: ImageRef): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The full form of a reference, or `undefined` for a text that is none. */
export function fullImageRef(text: string): string | undefined {
  try {
    return formatImageRef(parseImageRef(text));
  } catch (error) {
    if (error instanceof AppError && error.code === 'IMAGE_REFERENCE_INVALID') return undefined;
    throw error;
  }
}

/**
 * Whether a text can only be meant as a reference: it says a registry, a folder of one, a tag or a digest.
 * `alpine` alone may as well be a plain name.
 */
export function saysWhereItIs(text: string): boolean {
  return /[/:@]/.test(text) && fullImageRef(text) !== undefined;
}

/**
 * Returns `name` when it is a plain name.
 *
 * @throws {AppError} IMAGE_NAME_INVALID
 */
export function checkPlainImageName(name: string): string {
  if (PLAIN_IMAGE_NAME.test(name)) return name;
  const shown = name.slice(0, 100);
  throw new AppError('IMAGE_NAME_INVALID', `Cannot use "${shown}" as the name of an image`, {
    hint: "use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
    details: { field: 'name', value: shown },
  });
}

/** The registry of Docker has two names. */
function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return lower === 'index.docker.io' || lower === 'registry-1.docker.io' ? DEFAULT_REGISTRY : lower;
}

function invalid(text: string, why: string): AppError {
  const shown = text.slice(0, 100);
  return new AppError('IMAGE_REFERENCE_INVALID', `Cannot use "${shown}" as an image reference: ${why}`, {
    hint: 'give a reference such as docker.io/library/alpine:3.20',
    details: { field: 'image', value: shown },
  });
}

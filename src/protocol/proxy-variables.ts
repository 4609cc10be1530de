import { AppError } from '../base/errors.ts';

/** The proxies of a user's environment, each as its variable has it; they may have passwords. */
export interface ProxyVariables {
  /** of `http_proxy` */
  http?: string;
  https?: string;
  /** of `all_proxy` */
  all?: string;
  /** of `no_proxy` */
  no?: string;
}

const NAMES = ['http', 'https', 'all', 'no'] as const satisfies readonly (keyof ProxyVariables)[];

/**
 * The header in which a client tells the daemon the proxies of the environment that it runs in: JSON in
 * base64. The daemon's own environment is that of the command which started it, perhaps long ago.
 */
export const PROXY_HEADER = 'banger-proxy';

/** Longest value; a request's head has a limit. */
const MAX_VALUE_CHARS = 2_048;

/** Longest header: four values of characters that JSON escapes with six bytes, in base64. */
const MAX_HEADER_CHARS = 66_000;

/** Most bytes of the head of a request with such a header. */
export const MAX_HEAD_BYTES = 96 * 1024;

/** Reads the variables, lower-case names first, as most programs do. Leaves out what is too long. */
export function proxiesOf(env: Readonly<Record<string, string | undefined>>): ProxyVariables {
  const found: ProxyVariables = {};
  for (const name of NAMES) {
    const value = env[`${name}_proxy`] || env[`${name.toUpperCase()}_PROXY`];
    if (value && value.length <= MAX_VALUE_CHARS) found[name] = value;
  }
  return found;
}

/** The value of {@link PROXY_HEADER}. */
export function encodeProxies(proxies: ProxyVariables): string {
  return Buffer.from(JSON.stringify(proxies)).toString('base64');
}

/** @throws {AppError} REQUEST_INVALID, without the header's content, which is secret. */
export function decodeProxies(header: string): ProxyVariables {
  const value = header.length > MAX_HEADER_CHARS ? undefined : parse(header);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const found: ProxyVariables = {};
    const given = value as Partial<Record<keyof ProxyVariables, unknown>>;
    for (const name of NAMES) {
      const text = Object.hasOwn(given, name) ? given[name] : undefined;
      if (text === undefined) continue;
      if (typeof text !== 'string' || text.length > MAX_VALUE_CHARS) throw invalid();
      found[name] = text;
    }
    return found;
  }
  throw invalid();
}

function parse(header: string): unknown {
  try {
    return JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function invalid(): AppError {
  return new AppError('REQUEST_INVALID', `Cannot read the request: its header ${PROXY_HEADER} is not valid`, {
    details: { field: PROXY_HEADER },
  });
}

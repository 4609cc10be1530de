import { constants, open } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError, isErrno, messageOf } from '../../base/errors.ts';
import { exec } from '../../base/process/exec.ts';
import type { SecretValues } from '../../core/ports/secret-values.ts';
import type { SecretText } from '../../protocol/secret/secret-text.ts';

/** Most bytes of a value: as many as the network takes. */
const MAX_VALUE_BYTES = 8 * 1024;

/** How long a program may take: it may ask the user for a passphrase. */
const PROGRAM_DEADLINE_MS = 60_000;

/** Placeholders begin with it, and no value may. */
const PLACEHOLDER = 'banger-secret-';

/** Why a file cannot be read. */
const UNREADABLE = [
  'ENOENT',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ENOTDIR',
  'ELOOP',
  'EIO',
  'ENXIO',
  'EAGAIN',
] as const;

/** What {@link SecretSources} needs. */
export interface SecretSourcesOptions {
  /** of the programs that know values */
  env: NodeJS.ProcessEnv;
  /** 32 secret bytes for a purpose, always the same */
  secret: (purpose: string) => Promise<Buffer>;
}

type Wanted = Pick<SecretText, 'name' | 'kind' | 'from'> & { placeholder: string };

/** Reads secrets from files and programs of this host. */
export class SecretSources implements SecretValues {
  readonly #options: SecretSourcesOptions;
  readonly #given = new Map<string, string>();
  readonly #renewed = new Set<string>();

  constructor(options: SecretSourcesOptions) {
    this.#options = options;
  }

  remember(placeholder: string, value: string): void {
    this.#given.set(placeholder, value);
  }

  renew(placeholder: string): void {
    this.#renewed.add(placeholder);
  }

  takeRenewed(placeholder: string): boolean {
    return this.#renewed.delete(placeholder);
  }

  seed(authority: string): Promise<Buffer> {
    return this.#options.secret(`authority of secrets ${authority}`);
  }

  async read(wanted: Wanted, { signal }: Abortable): Promise<string> {
    const text = await this.#text(wanted, { signal });
    const value = text.toString('utf8').replace(/\r?\n$/, '');
    const problem = problemOf(text, value);
    if (problem !== undefined) throw sourceFailed(wanted, problem);
    return value;
  }

  async #text(wanted: Wanted, { signal }: Abortable): Promise<Buffer> {
    const { kind, from, placeholder } = wanted;
    switch (kind) {
      case 'env': {
        const value = this.#given.get(placeholder);
        if (value === undefined) {
          throw sourceFailed(wanted, 'the daemon was started again and does not have your variables');
        }
        return Buffer.from(value);
      }
      case 'file':
        return await firstBytes(wanted, from);
      case 'command':
        return await this.#run(wanted, ['sh', '-c', from], { signal });
      case 'pass':
        // The first line of an entry is its password.
        return firstLine(await this.#run(wanted, ['pass', 'show', from], { signal }));
      case 'secret-service':
        return await this.#run(wanted, ['secret-tool', 'lookup', ...attributes(from)], { signal });
    }
  }

  async #run(wanted: Wanted, argv: [string, ...string[]], { signal }: Abortable): Promise<Buffer> {
    try {
      const { env } = this.#options;
      const limits = { maxOutputBytes: 2 * MAX_VALUE_BYTES, deadlineMs: PROGRAM_DEADLINE_MS };
      return (await exec(argv, { env, cwd: env['HOME'] ?? '/', signal, ...limits })).stdout;
    } catch (error) {
      signal.throwIfAborted();
      if (isAppError(error, 'EXEC_NOT_FOUND')) throw sourceFailed(wanted, `"${argv[0]}" is not installed`);
      // What a program that failed has printed could be the value: only its name is repeated.
      if (isAppError(error, 'EXEC_FAILED')) throw sourceFailed(wanted, `"${argv[0]}" failed`);
      throw error;
    }
  }
}

async function firstBytes(wanted: Wanted, path: string): Promise<Buffer> {
  try {
    // A pipe without a writer is empty: nothing waits for one.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(MAX_VALUE_BYTES + 3),
      0,
      MAX_VALUE_BYTES + 3,
      0,
    );
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (!isErrno(error, ...UNREADABLE)) throw error;
    throw sourceFailed(wanted, messageOf(error));
  }
}

function firstLine(text: Buffer): Buffer {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.subarray(0, end);
}

function attributes(text: string): string[] {
  return text.split(',').flatMap((one) => {
    const at = one.indexOf('=');
    return [one.slice(0, at), one.slice(at + 1)];
  });
}

/** What keeps a value from being part of a request. */
function problemOf(text: Buffer, value: string): string | undefined {
  if (value === '') return 'it is empty';
  if (text.length > MAX_VALUE_BYTES) return `it is longer than ${MAX_VALUE_BYTES} bytes`;
  if (value.includes('\ufffd')) return 'it is not UTF-8';
  if (/\p{Cc}/u.test(value)) return 'it has several lines or other control characters';
  return value.includes(PLACEHOLDER) ? 'it is a placeholder of a guest' : undefined;
}

function sourceFailed({ name, kind, from }: Wanted, why: string): AppError {
  const shown = kind === 'command' ? kind : `${kind}:${from}`;
  return new AppError('SECRET_SOURCE_UNUSABLE', `Cannot read secret "${name}" from ${shown}: ${why}`, {
    hint:
      kind === 'env'
        ? 'give it again: banger vm set --secret NAME=env:VARIABLE@HOST VM'
        : 'the source must print or contain one line',
    details: { secret: name, source: kind },
  });
}

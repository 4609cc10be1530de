import { open, readdir } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../base/process/exec.ts';
import type { PresetName } from '../../protocol/egress/presets.ts';

/** Where presets look. */
export interface HostPresetsOptions {
  /** the environment in which the user's tools run */
  env: NodeJS.ProcessEnv;
  /** the user's home folder */
  home: string;
  /** apt's folder, `/etc/apt` */
  aptDir: string;
}

const MAX_BYTES = 1024 * 1024;

const UNREADABLE = ['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES'] as const;

/** What a preset may ask of the host: the output of its tool, and its files, all bounded. */
export class HostTools {
  readonly #preset: PresetName;
  readonly #options: HostPresetsOptions & Abortable;

  constructor(preset: PresetName, options: HostPresetsOptions & Abortable) {
    this.#preset = preset;
    this.#options = options;
  }

  get home(): string {
    return this.#options.home;
  }

  get aptDir(): string {
    return this.#options.aptDir;
  }

  /** An environment variable; `undefined` when it is empty. */
  variable(name: string): string | undefined {
    return this.#options.env[name] || undefined;
  }

  /** The standard output of a program; `undefined` when it is missing or fails. */
  async outputOf(argv: readonly [string, ...string[]]): Promise<string | undefined> {
    const { env, home, signal } = this.#options;
    try {
      const options = { env, cwd: home, signal, deadlineMs: PROBE_DEADLINE_MS, maxOutputBytes: MAX_BYTES };
      return (await exec(argv, options)).stdout.toString('utf8');
    } catch (error) {
      if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
      return undefined;
    }
  }

  /** The text of a file, at most its first MiB; `undefined` when it cannot be read. */
  async textOf(path: string): Promise<string | undefined> {
    try {
      await using file = await open(path);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } catch (error) {
      if (!isErrno(error, ...UNREADABLE)) throw error;
      return undefined;
    }
  }

  /** The names in a folder, sorted; none when it cannot be read. */
  async namesIn(path: string): Promise<string[]> {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (!isErrno(error, ...UNREADABLE)) throw error;
      return [];
    }
  }

  /**
   * Returns the rules for URLs, each once; what is no http URL is left out.
   *
   * @throws {AppError} NETWORK_PRESET_UNKNOWN with `otherwise` when none is left.
   */
  rulesFor(urls: readonly string[], otherwise: string): string[] {
    const rules = urls.flatMap((text) => ruleFor(text) ?? []);
    if (rules.length > 0) return [...new Set(rules)];
    throw new AppError('NETWORK_PRESET_UNKNOWN', `Cannot use rule "@${this.#preset}": ${otherwise}`, {
      hint: 'name the hosts themselves: --allow HOST:443',
      details: { preset: this.#preset },
    });
  }
}

function ruleFor(text: string): string | undefined {
  const url = URL.parse(text.trim().replace(/^sparse\+/, ''));
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.hostname === '')
    return undefined;
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}

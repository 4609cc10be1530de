import { type Abortable, withDeadline } from '../../base/abort.ts';
import { isAppError, printable } from '../../base/errors.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { CommandContext } from '../context/context.ts';
import type { Candidate, LiveNames } from './completions.ts';

/** Time limit for the daemon after the user pressed Tab, in `ms`. */
const DEADLINE_MS = 1_000;

/** Maximum number of `bytes` that are read from a folder of a guest. */
const MAX_LISTING_BYTES = 256 * 1024;

/** Maximum number of names that are offered from a folder of a guest. */
const MAX_GUEST_FILES = 1_000;

/** Digits of a template's key that are offered; `template list` shows the same number. */
const KEY_DIGITS = 12;

/** A question to the daemon, and its answer. */
type Ask<T> = (client: BangerClient, options: Abortable) => Promise<T[]>;

/**
 * Asks the daemon for the names that exist now. The answer is empty when the daemon does not run, refuses, or
 * takes longer than a second: completion starts no daemon and shows no errors.
 */
export function liveNames(context: CommandContext): LiveNames {
  return {
    names: (kind) => answer((client, options) => namesOf(kind, client, options), context),
    tags: (ref) =>
      answer(async (client, options) => {
        const snapshots = await client.listSnapshots(ref, options);
        return snapshots.map(({ tag }) => ({ word: printable(tag) }));
      }, context),
    guestFiles: (ref, folder) =>
      answer((client, options) => guestFiles(client, { ref, folder, ...options }), context),
  };
}

async function answer<T>(ask: Ask<T>, context: CommandContext): Promise<T[]> {
  try {
    return await withDeadline(
      async (signal) => {
        const client = await context.clientIfRunning();
        return client ? await ask(client, { signal }) : [];
      },
      { signal: context.signal, deadlineMs: DEADLINE_MS, what: 'names' },
    );
  } catch (error) {
    if (isAppError(error)) return [];
    throw error;
  }
}

async function namesOf(
  kind: 'vm' | 'image' | 'kernel' | 'operation' | 'template',
  client: BangerClient,
  { signal }: Abortable,
): Promise<Candidate[]> {
  switch (kind) {
    case 'vm': {
      const vms = await client.listVms({ isAll: true, signal });
      return vms.map(({ name }) => ({ word: printable(name) }));
    }
    case 'image': {
      const images = await client.listImages({ signal });
      return images.map(({ name }) => ({ word: printable(name) }));
    }
    case 'kernel': {
      const kernels = await client.listKernels({ signal });
      return kernels.map(({ name, arch }) => ({ word: printable(name), meaning: arch }));
    }
    case 'operation': {
      const operations = await client.listOperations({ signal });
      return operations.map((each) => ({ word: printable(each.id), meaning: printable(each.kind) }));
    }
    case 'template': {
      const templates = await client.listTemplates({ signal });
      return templates.map(({ key, image }) => ({
        word: printable(key.slice(0, KEY_DIGITS)),
        meaning: printable(image),
      }));
    }
    default:
      return kind satisfies never;
  }
}

/** Parses what a guest reports about a folder; leaves out names that are not plain text. */
async function guestFiles(
  client: BangerClient,
  { ref, folder, signal }: Abortable & { ref: string; folder: string },
): Promise<string[]> {
  const argv = ['ls', '-1ApL', '--', folder];
  using session = await client.exec(ref, { argv, cwd: '/' }, { signal });
  const { stdout } = await session.collect({ maxBytes: MAX_LISTING_BYTES });
  return stdout
    .toString()
    .split('\n')
    .filter((name) => /^[^/\uFFFD]+\/?$/.test(name) && printable(name) === name)
    .slice(0, MAX_GUEST_FILES);
}

import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { readIfThere, writeFileAtomic } from '../../../../base/files/atomic-file.ts';

/*
 * A pull into a working tree is prepared beside it and then carried out by renames, with a journal:
 *
 *     <state>/pulls/
 *       <key>.next.json    a pull that is being carried out (`forward`) or taken back (`back`); while it is
 *                          there, the next daemon finishes that
 *       <key>.json         the last pull that was carried out, for `--undo`
 *     <git folder>/banger/pull-<id>/
 *       new/<path>         what will be at the path; gone once it is
 *       old/<number>       what the step with that number has replaced
 *
 * The journal is in the state folder, because a repository may come from others: nothing in its git folder
 * is believed. `key` is made of the path of the working tree.
 */

const stamp = z.object({ ino: z.string(), sizeBytes: z.number(), mtimeNs: z.string(), mode: z.number() });

const step = z.object({
  /** latin1 */
  path: z.string(),
  /** what is there before; absent: nothing */
  before: stamp.exactOptional(),
  /** what is there afterwards; absent: nothing */
  after: stamp.extend({ digest: z.string() }).exactOptional(),
});

const journal = z.object({
  version: z.literal(1),
  root: z.string().startsWith('/'),
  gitDir: z.string().startsWith('/'),
  id: z.string().regex(/^[0-9a-f]{16}$/),
  direction: z.enum(['forward', 'back']),
  /** permissions of new folders */
  folderMode: z.number(),
  /** folders that did not exist before, latin1, parents first */
  newFolders: z.array(z.string()),
  steps: z.array(step),
  /** what is noted when all is done (`pulled-before.ts`), and when it is taken back */
  pulled: z.object({ dir: z.string().startsWith('/'), after: z.string(), before: z.string() }),
});

/** A file of a pull. Deletions come first. */
export type JournalStep = z.infer<typeof step>;

/** Everything that carrying out a pull, and taking it back, needs. */
export type PullJournal = z.infer<typeof journal>;

/** The folder with the contents of a pull. */
export function contentsDir({ gitDir, id }: Pick<PullJournal, 'gitDir' | 'id'>): string {
  return join(gitDir, 'banger', `pull-${id}`);
}

/** The journals of this user. */
export class PullJournals {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The last pull that was carried out. */
  async last(root: string): Promise<PullJournal | undefined> {
    return parse(await readIfThere(this.#path(root, 'json')));
  }

  /** A pull that is being carried out or taken back. */
  async pending(root: string): Promise<PullJournal | undefined> {
    return parse(await readIfThere(this.#path(root, 'next.json')));
  }

  /** All of {@link pending}. */
  async allPending(): Promise<PullJournal[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#dir)).filter((name) => name.endsWith('.next.json'));
    const found = await Promise.all(names.map((name) => readIfThere(join(this.#dir, name))));
    return found.map(parse).filter((each) => each !== undefined);
  }

  /** From here on, the pull is carried out or taken back, whatever is killed. */
  async begin(pull: PullJournal): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#path(pull.root, 'next.json'), JSON.stringify(pull));
  }

  /** The pull is carried out, and becomes the last one. */
  async done(pull: PullJournal): Promise<void> {
    await writeFileAtomic(this.#path(pull.root, 'json'), JSON.stringify(pull));
    await rm(this.#path(pull.root, 'next.json'), { force: true });
  }

  /** The pull is taken back. */
  async undone(pull: PullJournal): Promise<void> {
    const last = await this.last(pull.root);
    if (last?.id === pull.id) await rm(this.#path(pull.root, 'json'), { force: true });
    await rm(this.#path(pull.root, 'next.json'), { force: true });
  }

  #path(root: string, kind: string): string {
    return join(this.#dir, `${createHash('sha256').update(root).digest('hex').slice(0, 32)}.${kind}`);
  }
}

function parse(text: string | undefined): PullJournal | undefined {
  if (text === undefined) return undefined;
  try {
    return journal.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

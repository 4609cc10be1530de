import * as z from 'zod';
import type { PackedWorkspace } from '../../../core/ports/workspace.ts';
import type { Head } from '../git/staged-repository.ts';
import type { TreeEntry } from './tree-changes.ts';

/** What decides which tree is sent. */
export interface KeptChoice {
  /** as the user gave it */
  path: string;
  isWithUntracked: boolean;
  isWhole: boolean;
  /** absent: false */
  isWithoutSubmodules?: boolean;
}

/** The facts about a tree that was sent. Text is latin1, one character per byte. */
export interface KeptFacts {
  version: 1;
  /** the commit that the guest has as `SENT_REF`, unless it was put on a branch that begins elsewhere */
  commit: string;
  /** top of the working tree */
  root: string;
  commonDir: string;
  /** with {@link KeptFacts.indexStamp}: the git folder with its index */
  userGitDir?: string;
  /** of the user's index; while it is the same, so are names, entries and their flags */
  indexStamp?: string;
  head: Head;
  /** settings of git commands in `git/` */
  settings: readonly string[];
  /** digest of the names of tracked files */
  namesDigest: string;
  /** digest of the staged index's entries, with their flags */
  entriesDigest: string;
  /** blob names of the small files of the guest's `.git`, by their path in it */
  gitFiles: Readonly<Record<string, string>>;
  /** the refs that the guest has of the host's, symbolic ones left out */
  refs: Readonly<Record<string, string>>;
  /** digest of every ref that could have been carried */
  refsDigest: string;
  /** commits at which the sent history ends */
  cutAt: readonly string[];
  /** the tree of the staged index; absent in the middle of a merge */
  indexTree?: string;
  /** the entries of files that git was told not to compare with the disk, as they are on disk */
  unchecked: readonly (readonly [path: string, entry: TreeEntry])[];
  /** tracked files that do not exist, although git expects them to; absent: none */
  deleted?: readonly string[];
  /**
   * the tree has exactly the files of the user's index, each compared with the disk: none is untracked,
   * deleted, in conflict, filtered, or told not to be compared, and there is no submodule
   */
  isPlain?: boolean;
  /** what was asked for */
  choice: KeptChoice;
  summary: PackedWorkspace['summary'];
  /** folders of submodules, latin1; absent: none */
  gitlinks?: readonly string[];
  /** those of them, as text, that were sent; `keptDir` says where what is kept of them is */
  submodules?: readonly string[];
}

/** A schema for each field of `T`: a missing one does not compile. */
type FieldsOf<T> = { [K in keyof Required<T>]: z.ZodType };

const text = z.string();
const objectName = z.string().regex(/^[0-9a-f]{40,64}$/);
const texts = z.array(text).readonly();

const choice = {
  path: text,
  isWithUntracked: z.boolean(),
  isWhole: z.boolean(),
  isWithoutSubmodules: z.boolean().exactOptional(),
} satisfies FieldsOf<KeptChoice>;

const summary = {
  repoRoot: text,
  repoName: text,
  headCommit: text.exactOptional(),
  branch: text.exactOptional(),
  trackedCount: z.int().nonnegative(),
  untrackedCount: z.int().nonnegative(),
  tooling: z.looseObject({ files: z.array(text), pins: z.array(text) }).exactOptional(),
  submodules: z.array(text).exactOptional(),
  files: z.array(text).exactOptional(),
} satisfies FieldsOf<PackedWorkspace['summary']>;

const fields = {
  version: z.literal(1),
  commit: objectName,
  root: text.startsWith('/'),
  commonDir: text.startsWith('/'),
  userGitDir: text.startsWith('/').exactOptional(),
  indexStamp: text.exactOptional(),
  head: z.object({ commit: objectName.exactOptional(), ref: text.exactOptional() }),
  settings: texts,
  namesDigest: text,
  entriesDigest: text,
  gitFiles: z.record(text, objectName).readonly(),
  refs: z.record(text, objectName).readonly(),
  refsDigest: text,
  cutAt: z.array(objectName).readonly(),
  indexTree: objectName.exactOptional(),
  unchecked: z
    .array(z.tuple([text, z.object({ mode: z.string().regex(/^1\d{5}$/), object: objectName })]).readonly())
    .readonly(),
  deleted: texts.exactOptional(),
  isPlain: z.boolean().exactOptional(),
  choice: z.object(choice),
  summary: z.object(summary),
  gitlinks: texts.exactOptional(),
  submodules: texts.exactOptional(),
} satisfies FieldsOf<KeptFacts>;

const keptFacts: z.ZodType<KeptFacts> = z.object(fields);

/** Parses any text; returns `undefined` when it is none of this version's facts. */
export function parseKeptFacts(content: string): KeptFacts | undefined {
  try {
    return keptFacts.safeParse(JSON.parse(content)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

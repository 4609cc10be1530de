import { join } from 'node:path';
import * as z from 'zod';
import { readIfThere } from '../../../../base/files/atomic-file.ts';
import { linkTree } from '../../../../base/files/link-tree.ts';
import type { TreeEntry } from '../../sent/tree-changes.ts';

/*
 * What a VM's folder has about what was pulled from it:
 *
 *     pulled.json   for each path that was pulled: what the guest had there. A later pull merges from
 *                   there, because the host has those changes already
 *     objects/      contents of these files, as git stores them
 */

/** What the guest had at each path that was pulled; absent: nothing. */
export type PulledEntries = Map<string, TreeEntry | undefined>;

const entry = z.object({ mode: z.string(), object: z.string().regex(/^[0-9a-f]{40,64}$/) });
const pulledFile = z.object({
  sentCommit: z.string(),
  entries: z.array(z.tuple([z.string(), entry.nullable()])),
});

/** Where the objects of earlier pulls are. */
export function pulledObjects(dir: string): string {
  return join(dir, 'objects');
}

/** What was pulled since the tree of `sentCommit` was sent; nothing when the file is damaged. */
export async function readPulled(dir: string, sentCommit: string): Promise<PulledEntries> {
  const text = await readIfThere(join(dir, 'pulled.json'));
  if (text === undefined) return new Map();
  const parsed = parse(text);
  if (parsed?.sentCommit !== sentCommit) return new Map();
  return new Map(parsed.entries.map(([path, found]) => [path, found ?? undefined]));
}

/** The content of `pulled.json`. */
export function pulledText(sentCommit: string, entries: PulledEntries): string {
  return JSON.stringify({ sentCommit, entries: [...entries].map(([path, found]) => [path, found ?? null]) });
}

/** Adds the objects of a pull to those of the VM. */
export async function keepObjects(dir: string, objectsPath: string): Promise<void> {
  await linkTree(objectsPath, pulledObjects(dir));
}

function parse(text: string): z.infer<typeof pulledFile> | undefined {
  try {
    return pulledFile.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

import { rm } from 'node:fs/promises';

/** Deletes a folder, if it is there, even while a program that is ending still creates files in it. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10 });
}

import { writeFile } from 'node:fs/promises';

/** Writes a new file that only this user can read. @throws errno `EEXIST` */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx', mode: 0o600 });
}

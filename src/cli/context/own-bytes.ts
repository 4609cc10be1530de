import { readFileSync } from 'node:fs';
import { escapedText } from '../../base/escaped-bytes.ts';
import type { Environment } from '../../config/settings.ts';

/** What Node puts in place of bytes that are not UTF-8. */
const REPLACED = '\u{fffd}';

/** The last words of this process's command line, as Node has them, with bytes that are not UTF-8 escaped. */
export function exactWords(words: readonly string[]): readonly string[] {
  if (!words.some((word) => word.includes(REPLACED))) return words;
  const exact = readEach('/proc/self/cmdline');
  return exact.slice(exact.length - words.length).map(escapedText);
}

/** The environment of this process, with bytes that are not UTF-8 escaped in the values. */
export function exactEnvironment(env: Environment): Environment {
  if (!Object.values(env).some((value) => value?.includes(REPLACED))) return env;
  const exact = readEach('/proc/self/environ').map((entry): [string, string] => {
    const at = entry.indexOf('=');
    return [entry.subarray(0, at).toString(), escapedText(entry.subarray(at + 1))];
  });
  return { ...env, ...Object.fromEntries(exact.filter(([name]) => env[name]?.includes(REPLACED))) };
}

/** Parts of a file of proc(5), each with a NUL behind it. */
function readEach(path: '/proc/self/cmdline' | '/proc/self/environ'): Buffer[] {
  const bytes = readFileSync(path);
  const parts: Buffer[] = [];
  for (let at = 0, end = bytes.indexOf(0); end >= 0; at = end + 1, end = bytes.indexOf(0, at)) {
    parts.push(bytes.subarray(at, end));
  }
  return parts;
}

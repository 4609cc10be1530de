import { readFileSync } from 'node:fs';
import { escapedText } from '../../base/escaped-bytes.ts';
import type { Environment } from '../../config/settings.ts';

/** What Node puts in place of bytes that are not UTF-8. */
const REPLACED = '\u{fffd}';

/**
 * Returns `words`, the last words of this command line as Node decoded them, with bytes that are not UTF-8
 * escaped.
 */
export function exactWords(words: readonly string[]): readonly string[] {
  if (!words.some((word) => word.includes(REPLACED))) return words;
  const exact = readEach('/proc/self/cmdline');
  return exact.slice(exact.length - words.length).map(escapedText);
}

/** Returns the environment of this process, with bytes that are not UTF-8 escaped in the values. */
export function exactEnvironment(env: Environment): Environment {
  if (!Object.values(env).some((value) => value?.includes(REPLACED))) return env;
  const exact = readEach('/proc/self/environ').map((entry): [string, string] => {
    const at = entry.indexOf('=');
    return [entry.subarray(0, at).toString(), escapedText(entry.subarray(at + 1))];
  });
  return { ...env, ...Object.fromEntries(exact.filter(([name]) => env[name]?.includes(REPLACED))) };
}

/** Reads a file of proc(5) whose parts each end with a NUL. */
function readEach(path: '/proc/self/cmdline' | '/proc/self/environ'): Buffer[] {
  const bytes = readFileSync(path);
  const parts: Buffer[] = [];
  for (let at = 0, end = bytes.indexOf(0); end >= 0; at = end + 1, end = bytes.indexOf(0, at)) {
    parts.push(bytes.subarray(at, end));
  }
  return parts;
}

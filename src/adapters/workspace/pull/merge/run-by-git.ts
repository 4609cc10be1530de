import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import type { Git } from '../../git/git-command.ts';

/**
 * Settings of git whose values name programs, or files of settings that can: hooks, filters, drivers,
 * editors, pagers, helpers.
 */
const RUNS =
  /^(alias\..*|browser\..*|core\.(hookspath|fsmonitor|editor|pager|sshcommand|askpass|gitproxy|alternaterefscommand)|credential(\..*)?\.helper|diff\.external|diff\..*\.(command|textconv)|difftool\..*\.cmd|filter\..*\.(clean|smudge|process)|gpg(\..*)?\.(program|defaultkeycommand)|guitool\..*\.cmd|hook\..*\.command|include(if\..*)?\.path|interactive\.difffilter|man\..*\.cmd|merge\..*\.driver|mergetool\..*\.cmd|pager\..*|receive\.procreceiverefs|remote\..*\.(uploadpack|receivepack|vcs)|sendemail\..*(cmd|command)|sequence\.editor|submodule\..*\.update|trailer\..*\.(command|cmd)|uploadpack\.packobjectshook|web\.browser)$/;

/** Value of each setting of the user, from every file that git reads. */
type Settings = readonly { origin: string; key: string; value: string }[];

/**
 * Places of a working tree, relative to its top, from which the user's git runs programs or reads settings: a
 * file there is like one in `.git/hooks`. Latin1.
 */
export async function placesRunByGit(
  git: Git,
  root: string,
  { gitDir, home, signal }: Abortable & { gitDir: string; home: string },
): Promise<string[]> {
  const { stdout } = await git.run(['config', '--list', '-z', '--show-origin'], { signal });
  const places = new Set<string>();
  const add = (from: string, word: string): void => {
    const path = word.startsWith('~/') ? join(home, word.slice(2)) : resolve(from, word);
    const inside = relative(root, path);
    if (!inside.startsWith('..') && !isAbsolute(inside)) places.add(inside);
  };
  for (const { origin, key, value } of parseSettings(stdout)) {
    const file = origin.startsWith('file:') ? origin.slice(5) : undefined;
    if (file !== undefined) add(root, file);
    if (!RUNS.test(key.toLowerCase())) continue;
    const words = value.split(/[\s"'`;|&()<>$=]+/).filter((word) => word.includes('/'));
    const isInclude = /^include/i.test(key);
    if (isInclude) add(file === undefined ? gitDir : dirname(resolve(root, file)), value);
    else if (key.toLowerCase() === 'core.hookspath') add(root, value);
    else for (const word of words) add(root, word);
  }
  places.delete('');
  // Git's own folder is refused by its name.
  const own = [...places].filter((place) => place !== '.git' && !place.startsWith('.git/'));
  return own.map((place) => Buffer.from(place, 'utf8').toString('latin1'));
}

/** Whether git would run, or take settings from, what is at `path`. */
export function isRunByGit(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}

function parseSettings(output: Buffer): Settings {
  const fields = output.toString('utf8').split('\0');
  const settings = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [key = '', ...value] = (fields[at + 1] ?? '').split('\n');
    settings.push({ origin: fields[at] ?? '', key, value: value.join('\n') });
  }
  return settings;
}

import { type Setting, splitConfigKey } from './config-text.ts';
import { withoutCredentials } from './remote-url.ts';

/**
 * The settings of a repository that are of use elsewhere and do no harm, by section: what decides about the
 * content of the index and the working tree, about what status, diff and log print, about who commits, and
 * where branches and remotes are. A list of what may go, not of what may not: credentials, aliases, hooks,
 * filters, signing keys and programs are not in it.
 */
const CARRIED: Readonly<Record<string, readonly string[]>> = {
  core: [
    ...['autocrlf', 'eol', 'safecrlf', 'filemode', 'symlinks', 'ignorecase', 'precomposeunicode'],
    ...['protecthfs', 'protectntfs', 'quotepath', 'whitespace', 'checkroundtripencoding', 'bigfilethreshold'],
    ...['abbrev', 'commentchar', 'sparsecheckout', 'sparsecheckoutcone'],
  ],
  index: ['sparse'],
  user: ['name', 'email'],
  author: ['name', 'email'],
  committer: ['name', 'email'],
  init: ['defaultbranch'],
  i18n: ['commitencoding', 'logoutputencoding'],
  status: [
    ...['short', 'branch', 'aheadbehind', 'relativepaths', 'showuntrackedfiles', 'showstash'],
    ...['displaycommentprefix', 'renames', 'renamelimit'],
  ],
  diff: [
    ...[
      'algorithm',
      'context',
      'interhunkcontext',
      'indentheuristic',
      'mnemonicprefix',
      'noprefix',
      'srcprefix',
    ],
    ...[
      'dstprefix',
      'renames',
      'renamelimit',
      'relative',
      'suppressblankempty',
      'wserrorhighlight',
      'wordregex',
    ],
    ...['colormoved', 'colormovedws', 'dirstat', 'statgraphwidth', 'statnamewidth'],
  ],
  log: ['date', 'decorate', 'abbrevcommit', 'follow', 'mailmap', 'showroot', 'diffmerges'],
  format: ['pretty'],
  merge: ['conflictstyle', 'ff', 'renames', 'renamelimit', 'directoryrenames'],
  pull: ['rebase', 'ff'],
  push: ['default', 'autosetupremote', 'followtags'],
  fetch: ['prune'],
  rebase: ['autosquash', 'autostash', 'updaterefs'],
  commit: ['cleanup', 'verbose'],
  branch: ['sort'],
  tag: ['sort'],
  remote: ['pushdefault'],
};

/** The same for `section.<name>.variable`. */
const CARRIED_OF_EACH: Readonly<Record<string, readonly string[]>> = {
  branch: ['remote', 'merge', 'rebase', 'pushremote', 'description'],
  remote: ['url', 'pushurl', 'fetch', 'tagopt', 'prune'],
  // The driver's own programs, `command` and `textconv`, stay behind.
  diff: ['binary', 'funcname', 'xfuncname', 'wordregex'],
};

/** Those whose values add up instead of replacing each other. */
const MULTI_VALUED = /^(remote\..*\.(url|pushurl|fetch)|branch\..*\.merge)$/s;

/**
 * Those of `settings` that may go from one machine to another, the last value of each that has only one, and
 * addresses without what logs in. Whoever wrote them, a git that reads the result starts no program because
 * of it. Pure.
 */
export function harmlessSettings(settings: readonly Setting[]): Setting[] {
  const kept = new Map<string, Setting[]>();
  for (const { key, value } of settings) {
    if (!isHarmless(key)) continue;
    const entry = value === undefined ? { key } : { key, value: carriedValue(key, value) };
    const earlier = MULTI_VALUED.test(key) ? kept.get(key) : undefined;
    if (earlier) earlier.push(entry);
    else kept.set(key, [entry]);
  }
  return [...kept.values()].flat();
}

/** Whether a setting of that name is one of them. */
export function isHarmless(key: string): boolean {
  const { section, subsection, variable } = splitConfigKey(key);
  const list = subsection === undefined ? CARRIED : CARRIED_OF_EACH;
  return Object.hasOwn(list, section) && (list[section]?.includes(variable) ?? false);
}

function carriedValue(key: string, value: string): string {
  return /^remote\..*\.(url|pushurl)$/s.test(key) ? withoutCredentials(value) : value;
}

import { type Setting, splitConfigKey } from './config-text.ts';
import { withoutCredentials } from './remote-url.ts';

/**
 * The settings of a repository that are useful on another machine and harmless, by section: those that
 * determine the content of the index and the working tree, the output of status, diff and log, who commits,
 * and where branches and remotes are. It is a list of what may be carried, not of what may not: it has no
 * credentials, aliases, hooks, filters, signing keys or programs.
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
    ...['colormoved', 'colormovedws', 'dirstat', 'statgraphwidth', 'statnamewidth', 'ignoresubmodules'],
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
  submodule: ['active'],
};

/** The same for `section.<name>.variable`. */
const CARRIED_OF_EACH: Readonly<Record<string, readonly string[]>> = {
  branch: ['remote', 'merge', 'rebase', 'pushremote', 'description'],
  remote: ['url', 'pushurl', 'fetch', 'tagopt', 'prune'],
  // `update` may be a command.
  submodule: ['url', 'active', 'ignore', 'branch'],
  // The driver's own programs, `command` and `textconv`, are excluded.
  diff: ['binary', 'funcname', 'xfuncname', 'wordregex'],
};

/** Those whose values accumulate instead of replacing each other. */
const MULTI_VALUED = /^(remote\..*\.(url|pushurl|fetch)|branch\..*\.merge|submodule\.active)$/s;

/**
 * Those of `settings` that may be carried to another machine: the last value of each single-valued one, and
 * URLs without credentials. No matter who wrote them, a git that reads the result starts no program because
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

/** Whether a setting with that name may be carried. */
export function isHarmless(key: string): boolean {
  const { section, subsection, variable } = splitConfigKey(key);
  const list = subsection === undefined ? CARRIED : CARRIED_OF_EACH;
  return Object.hasOwn(list, section) && (list[section]?.includes(variable) ?? false);
}

function carriedValue(key: string, value: string): string {
  return /^(remote\..*\.(url|pushurl)|submodule\..*\.url)$/s.test(key) ? withoutCredentials(value) : value;
}

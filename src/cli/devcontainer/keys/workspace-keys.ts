// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of devcontainer.json
import { posix } from 'node:path';
import type { JsonValue } from '../../../base/text/jsonc.ts';
import { isObject, type KeyVerdict, overridden, refused, taken } from './key.ts';

/** Folders of a guest that are not replaced by a working tree, and those in which nothing is put. */
const KEPT =
  /^\/(?:(?:bin|boot|etc|home|lib|lib32|lib64|mnt|opt|root|sbin|srv|tmp|usr|var)?|(?:dev|proc|run|sys)(?:\/.*)?)$/;

/** The values of the two keys about the working tree, and where it is on this host. */
export interface WorkspaceFields {
  workspaceFolder?: JsonValue | undefined;
  workspaceMount?: JsonValue | undefined;
  repoRoot: string;
  /** the folder of the file, which is at or below `repoRoot` */
  folder: string;
}

/** Where the working tree and its folder are in the guest. */
export interface GuestPlace {
  /** the working tree is copied to here */
  copyTo: string;
  /** hooks and commands start here */
  workspaceFolder: string;
  verdicts: Readonly<Record<string, KeyVerdict>>;
}

/**
 * Decides where the working tree goes. Without these keys that is `/workspaces/NAME`, as the specification
 * says.
 */
export function guestPlaceOf(fields: WorkspaceFields): GuestPlace {
  const { workspaceFolder, workspaceMount, repoRoot, folder } = fields;
  const below = posix.relative(repoRoot, folder);
  const verdicts: Record<string, KeyVerdict> = {};
  const mounted = workspaceMount === undefined ? undefined : mountTarget(workspaceMount, fields);
  if (mounted !== undefined) verdicts['workspaceMount'] = mounted.verdict;
  const own = workspaceFolder === undefined ? undefined : guestPath(workspaceFolder);
  if (own !== undefined) verdicts['workspaceFolder'] = typeof own === 'string' ? taken({}) : own;
  const wanted = typeof own === 'string' ? own : undefined;
  const copyTo = mounted?.target ?? withoutEnd(wanted, below) ?? `/workspaces/${posix.basename(repoRoot)}`;
  if (KEPT.test(copyTo)) {
    const key = mounted?.target === undefined ? 'workspaceFolder' : 'workspaceMount';
    verdicts[key] = refused(`the working tree cannot be copied to ${copyTo}`);
  }
  return { copyTo, workspaceFolder: wanted ?? posix.join(copyTo, below), verdicts };
}

/** `/app` for `/app/web` when the file is for the folder `web` of the repository. */
function withoutEnd(path: string | undefined, below: string): string | undefined {
  const end = `/${below}`;
  return below !== '' && path?.endsWith(end) && path !== end ? path.slice(0, -end.length) : path;
}

function mountTarget(
  value: JsonValue,
  { repoRoot, folder }: WorkspaceFields,
): { target?: string; verdict: KeyVerdict } {
  if (value === '') return { verdict: overridden('the working tree is copied') };
  const fields = typeof value === 'string' ? mountFields(value) : value;
  if (!isObject(fields)) return { verdict: refused('it must be a text or an object') };
  const source = fields['source'] ?? fields['src'];
  if (source !== folder && source !== repoRoot) {
    return {
      verdict: refused('only ${localWorkspaceFolder} can be its source; nothing else of this host is used'),
    };
  }
  const target = guestPath(fields['target'] ?? fields['dst'] ?? fields['destination'] ?? '');
  if (typeof target !== 'string') return { verdict: target };
  return { target, verdict: overridden(`the working tree is copied to ${target}, not mounted`) };
}

/** `source=A,target=B,type=bind` as an object. */
function mountFields(text: string): Record<string, string> {
  const pairs = text.split(',').map((field) => {
    const [name = '', ...rest] = field.split('=');
    return [name.trim(), rest.join('=').trim()] as const;
  });
  return Object.fromEntries(pairs);
}

/** An absolute path without `.` and `..`, or why there is none. */
function guestPath(value: JsonValue): string | KeyVerdict {
  const ok = typeof value === 'string' && value.startsWith('/') && !/(^|\/)\.\.(\/|$)|\0/.test(value);
  if (!ok) return refused('it must be an absolute path in the guest');
  const path = posix.normalize(value);
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

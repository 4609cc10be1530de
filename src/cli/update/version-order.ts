/** What a release is named: `vX.Y.Z`. */
export const VERSION_PATTERN = '^v(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$';

const VERSION = new RegExp(VERSION_PATTERN, 'u');

/** Whether `text` names a release. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Negative when the release `a` is older than `b`, 0 when they are the same, positive when it is newer. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  const at = left.findIndex((part, index) => part !== right[index]);
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

function numbersOf(version: string): number[] {
  return version.slice(1).split('.').map(Number);
}

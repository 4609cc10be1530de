import { KEPT_FOLDERS, type Place } from './guest-model.ts';

/** What a step does to its VM. */
export type Action =
  | {
      do:
        | 'create'
        | 'sync'
        | 'serve'
        | 'suspend'
        | 'resume'
        | 'start'
        | 'stop'
        | 'kill'
        | 'kill-vmm'
        | 'delete';
    }
  | { do: 'write' | 'append'; path: string; contentId: number; sizeBytes: number; isSynced: boolean }
  | { do: 'remove'; path: string; isSynced: boolean }
  | { do: 'fork'; to: string }
  | { do: 'snapshot' | 'restore' | 'drop-snapshot'; tag: string }
  | { do: 'kill-daemon' };

/** What is killed during a step, and how many `ms` after its start. */
export interface Interruption {
  /** `client`: the command itself, by Ctrl-C */
  whom: 'daemon' | 'vmm' | 'client';
  afterMs: number;
}

/** One step of a sequence. */
export type Step = Action & { vm: string; interruption?: Interruption };

/** Files that steps write; only a few, so that they are rewritten often. */
export const PATHS: readonly string[] = (['work', 'work', 'root', 'root', 'memory'] satisfies Place[]).map(
  (place, at) => `${KEPT_FOLDERS[place]}/file-${at}`,
);

/** One line that describes a step. */
export function describeStep({ interruption, vm, ...action }: Step): string {
  const { do: what, ...details } = action;
  const words = Object.entries(details).map(([name, value]) => `${name}=${value}`);
  const kill = interruption ? [`[kill the ${interruption.whom} after ${interruption.afterMs} ms]`] : [];
  return [what, ...(what === 'kill-daemon' ? [] : [vm]), ...words, ...kill].join(' ');
}

/** The bytes for `contentId`; no two ids have a line in common. */
export function makeContent(contentId: number, sizeBytes: number): Buffer {
  const lines: string[] = [];
  for (let length = 0, line = 0; length < sizeBytes; line += 1) {
    const text = `content ${contentId} line ${line}\n`;
    lines.push(text);
    length += text.length;
  }
  return Buffer.from(lines.join('')).subarray(0, sizeBytes);
}

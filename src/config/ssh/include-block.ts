import { AppError } from '../../base/errors.ts';

// The block that `banger ssh-config --install` puts into the user's ssh configuration. Texts here have one
// character for each byte (`latin1`), so that bytes which are not UTF-8 survive. The block:
//
//     # >>> banger ssh-config >>>
//     # This file was created by banger.          only if it was
//     Include /home/me/.config/banger/ssh_config
//     # <<< banger ssh-config <<<

const BEGIN = '# >>> banger ssh-config >>>';
const CREATED = '# This file was created by banger.';
const END = '# <<< banger ssh-config <<<';

/** A keyword after which options apply to some hosts only (ssh_config(5)). */
const SECTION = /^\s*"?(host|match)"?[\s=]/i;

/** What to put into the block. */
export interface BlockContent {
  includeLine: string;
  /** the file did not exist before */
  isNewFile?: boolean;
}

/**
 * Returns `text` with our block, and every other byte of it unchanged. The block is put at the top, because
 * an Include after a Host line applies to that host only. A present block that already works stays as it is,
 * so that nothing changes the second time.
 *
 * @throws {AppError} SSH_CONFIG_DAMAGED when a block has no end.
 */
export function withBlock(text: string, { includeLine, isNewFile = false }: BlockContent): string {
  const parts = split(text);
  const present = parts.blocks[0];
  if (present !== undefined && parts.blocks.length === 1 && isWorking(parts, includeLine)) return text;
  const isCreated = isNewFile || (present ?? []).some((line) => content(line) === CREATED);
  const rest = parts.kept.join('');
  const lineEnd = /\r?\n/.exec(rest)?.[0] ?? '\n';
  const block = [BEGIN, ...(isCreated ? [CREATED] : []), includeLine, END];
  return block.map((line) => `${line}${lineEnd}`).join('') + rest;
}

/**
 * Returns `text` without our block; `undefined` when nothing is left of a file that banger created.
 *
 * @throws {AppError} SSH_CONFIG_DAMAGED when a block has no end.
 */
export function withoutBlock(text: string): string | undefined {
  const { blocks, kept } = split(text);
  const rest = kept.join('');
  const isCreated = blocks.some((block) => block.some((line) => content(line) === CREATED));
  return rest === '' && isCreated ? undefined : rest;
}

/**
 * Returns whether a file with this text has one of `includeLines` where it applies to all hosts: in our
 * block, or as a line of the user's own.
 */
export function includes(text: string, includeLines: readonly string[]): boolean {
  for (const line of linesOf(text)) {
    if (SECTION.test(line)) return false;
    if (includeLines.includes(content(line).trim())) return true;
  }
  return false;
}

interface Parts {
  /** the lines of each block */
  blocks: string[][];
  /** all other lines */
  kept: string[];
  /** how many lines are before the first block */
  keptBefore: number;
}

function isWorking({ blocks: [block = []], kept, keptBefore }: Parts, includeLine: string): boolean {
  return (
    block.some((line) => content(line) === includeLine) &&
    !kept.slice(0, keptBefore).some((line) => SECTION.test(line))
  );
}

function split(text: string): Parts {
  const parts: Parts = { blocks: [], kept: [], keptBefore: 0 };
  let open: string[] | undefined;
  for (const line of linesOf(text)) {
    if (open === undefined && content(line) === BEGIN) {
      if (parts.blocks.length === 0) parts.keptBefore = parts.kept.length;
      open = [line];
      parts.blocks.push(open);
    } else if (open === undefined) {
      parts.kept.push(line);
    } else {
      open.push(line);
      if (content(line) === END) open = undefined;
    }
  }
  if (open === undefined) return parts;
  throw new AppError(
    'SSH_CONFIG_DAMAGED',
    `Cannot tell which lines of the ssh configuration are banger's: "${BEGIN}" has no "${END}" after it`,
    { hint: `remove the line "${BEGIN}", and what banger wrote after it` },
  );
}

/** The lines of a text, each with its end. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** A line without its end. */
function content(line: string): string {
  return line.replace(/\r?\n$/, '');
}

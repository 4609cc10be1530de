import { AppError } from '../../../../base/errors.ts';
import { NO_COMMIT } from '../../../../protocol/workspace-state.ts';
import type { TreeEntry } from '../../sent/tree-changes.ts';

/*
 * What the command of a pull prints in the guest (`core/vms/workspace/pull/pull-command.ts`):
 *
 *     banger-pull 1\n
 *     <commit of the tree that was sent>\n
 *     <commit of HEAD, or "none"> <tree of the files>\n
 *     <length of the list>\n
 *     <list: `git diff-index --raw -z`>
 *     <contents: `git cat-file --batch`, of the objects that the host then asks for>
 *
 * Nothing of it is trusted: each part has a limit and must have this form.
 */

/** Most files that one pull may change. */
const MAX_PULLED_FILES = 200_000;

/** Longest list of files, in bytes. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** Longest line between the parts. */
const MAX_LINE_BYTES = 200;

/** The list of what the guest has changed. Paths are latin1. */
export interface GuestList {
  sentCommit: string;
  /** what the guest has at each changed path; absent: nothing */
  files: Map<string, TreeEntry | undefined>;
  /** changed folders of submodules */
  gitlinks: string[];
}

/** What is done with the parts as they come. */
export interface AnswerTaker {
  /** Returns the objects that the host wants, each once. */
  onList(list: GuestList): readonly string[];
  /** A piece of an object's content; all pieces of one come before those of the next. */
  onContent(object: string, piece: Buffer, position: { atBytes: number; sizeBytes: number }): void;
}

/** Splits the guest's output into its parts. */
export class GuestAnswer {
  readonly #taker: AnswerTaker;
  readonly #maxContentBytes: number;
  #state: 'head' | 'list' | 'object' | 'content' | 'end' = 'head';
  #pending: Buffer = Buffer.alloc(0);
  #head: string[] = [];
  #listBytes = 0;
  #listChunks: Buffer[] = [];
  #wanted: readonly string[] = [];
  #nextWanted = 0;
  #object = '';
  #sizeBytes = 0;
  #atBytes = 0;
  #allBytes = 0;

  constructor(taker: AnswerTaker, { maxContentBytes }: { maxContentBytes: number }) {
    this.#taker = taker;
    this.#maxContentBytes = maxContentBytes;
  }

  /** Takes the next piece. @throws {AppError} WORKSPACE_PULL_FAILED */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#take(rest);
  }

  /** Whether everything has come. */
  get isWhole(): boolean {
    return this.#state === 'end' || (this.#state === 'object' && this.#nextWanted === this.#wanted.length);
  }

  #take(chunk: Buffer): Buffer {
    switch (this.#state) {
      case 'head':
        return this.#takeLine(chunk, (line) => this.#onHeadLine(line));
      case 'list': {
        const part = chunk.subarray(0, this.#listBytes);
        this.#listBytes -= part.length;
        this.#listChunks.push(Buffer.from(part));
        if (this.#listBytes === 0) this.#onList();
        return chunk.subarray(part.length);
      }
      case 'object':
        return this.#takeLine(chunk, (line) => this.#onObject(line));
      case 'content':
        return this.#takeContent(chunk);
      default:
        throw broken('it goes on after its end');
    }
  }

  #takeLine(chunk: Buffer, onLine: (line: string) => void): Buffer {
    const end = chunk.indexOf(10);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    this.#pending = Buffer.concat([this.#pending, part]);
    if (this.#pending.length > MAX_LINE_BYTES) throw broken('a line is too long');
    if (end < 0) return chunk.subarray(chunk.length);
    const line = this.#pending.toString('latin1');
    this.#pending = Buffer.alloc(0);
    onLine(line);
    return chunk.subarray(end + 1);
  }

  #onHeadLine(line: string): void {
    this.#head.push(line);
    if (this.#head.length < 4) return;
    const [mark = '', sentCommit = '', state = '', bytes = ''] = this.#head;
    const isGood =
      mark === 'banger-pull 1' &&
      isObject(sentCommit) &&
      new RegExp(`^([0-9a-f]{40,64}|${NO_COMMIT}) [0-9a-f]{40,64}$`).test(state) &&
      /^ *\d{1,12}$/.test(bytes);
    if (!isGood) throw broken('it does not begin as it should');
    this.#listBytes = Number(bytes);
    if (this.#listBytes > MAX_LIST_BYTES) throw tooMuch('too many files were changed there');
    this.#state = 'list';
    if (this.#listBytes === 0) this.#onList();
  }

  #onList(): void {
    const list = parseGuestList(Buffer.concat(this.#listChunks), { sentCommit: this.#head[1] ?? '' });
    this.#listChunks = [];
    this.#wanted = this.#taker.onList(list);
    this.#state = this.#wanted.length === 0 ? 'end' : 'object';
  }

  #onObject(line: string): void {
    const [, object = '', size = ''] = /^([0-9a-f]{40,64}) blob (\d{1,15})$/.exec(line) ?? [];
    if (object === '' || object !== this.#wanted[this.#nextWanted]) throw broken('a file is missing');
    this.#nextWanted += 1;
    this.#object = object;
    this.#sizeBytes = Number(size);
    this.#atBytes = 0;
    this.#allBytes += this.#sizeBytes;
    if (this.#allBytes > this.#maxContentBytes) {
      throw tooMuch(`the changed files have more than ${this.#maxContentBytes} bytes`);
    }
    this.#state = 'content';
    if (this.#sizeBytes === 0) this.#pass(Buffer.alloc(0));
  }

  #takeContent(chunk: Buffer): Buffer {
    const left = this.#sizeBytes - this.#atBytes;
    if (left > 0) {
      const part = chunk.subarray(0, left);
      this.#pass(part);
      return chunk.subarray(part.length);
    }
    // git-cat-file(1) ends each object with a line end.
    if (chunk[0] !== 10) throw broken('a file is longer than it was said to be');
    this.#state = this.#nextWanted === this.#wanted.length ? 'end' : 'object';
    return chunk.subarray(1);
  }

  #pass(piece: Buffer): void {
    const position = { atBytes: this.#atBytes, sizeBytes: this.#sizeBytes };
    this.#taker.onContent(this.#object, piece, position);
    this.#atBytes += piece.length;
  }
}

/** Parses the guest's list. @throws {AppError} WORKSPACE_PULL_FAILED */
function parseGuestList(bytes: Buffer, { sentCommit }: { sentCommit: string }): GuestList {
  const fields = bytes.toString('latin1').split('\0');
  if (fields.pop() !== '' || fields.length % 2 !== 0) throw broken('its list of files is not whole');
  if (fields.length / 2 > MAX_PULLED_FILES) throw tooMuch('too many files were changed there');
  const files = new Map<string, TreeEntry | undefined>();
  const gitlinks: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const path = fields[at + 1] ?? '';
    const [, oldMode = '', mode = '', object = '', status = ''] =
      /^:(\d{6}) (\d{6}) [0-9a-f]{40,64} ([0-9a-f]{40,64}) ([AMDT])$/.exec(fields[at] ?? '') ?? [];
    if (status === '' || path === '' || files.has(path)) throw broken('its list of files is none of git');
    if (oldMode === '160000' || mode === '160000') {
      gitlinks.push(path);
      continue;
    }
    // No other bits than these exist in a tree of git: no setuid, no device.
    if (status !== 'D' && !/^(100644|100755|120000)$/.test(mode))
      throw broken('a file has a mode of no file');
    files.set(path, status === 'D' ? undefined : { mode, object });
  }
  return { sentCommit, files, gitlinks };
}

function isObject(name: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name);
}

function broken(why: string): AppError {
  return new AppError('WORKSPACE_PULL_FAILED', `Cannot pull from the guest: its answer is broken: ${why}`);
}

function tooMuch(why: string): AppError {
  return new AppError('WORKSPACE_PULL_FAILED', `Cannot pull from the guest: ${why}`, {
    hint: 'have git ignore what should not come back, in .gitignore of the guest',
  });
}

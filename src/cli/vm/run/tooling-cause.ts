import { stripVTControlCharacters } from 'node:util';
import { printable } from '../../../base/errors.ts';

/** How mise begins a line about what went wrong. */
const ERROR_LINE = /^(?:mise )?(?:ERROR|Error:)\s*(.*)$/;

/** What mise says after every failure: it is no cause. */
const BOILERPLATE = /^(?:Run with --verbose\b|Version: |Please report\b)/;

/** Most lines of mise's that are kept, and of each the most characters: a guest wrote them. */
const MOST_LINES = 3;
const MOST_CHARACTERS = 300;

/** Picks out of the output of an installation why it failed. */
export class ToolingCause {
  readonly #errors: string[] = [];
  #last = '';

  /** Takes the next line, and returns it as it may be shown; empty when there is nothing in it. */
  push(line: string): string {
    const text = printable(stripVTControlCharacters(line)).slice(0, MOST_CHARACTERS);
    if (text === '') return text;
    if (!text.startsWith('+ ')) this.#last = text;
    const error = ERROR_LINE.exec(text)?.[1] ?? '';
    if (error !== '' && !BOILERPLATE.test(error) && this.#errors.length < MOST_LINES)
      this.#errors.push(error);
    return text;
  }

  /** The first errors that mise named, or else the last line that it wrote; empty when it wrote none. */
  text(): string {
    return this.#errors.join('; ') || this.#last;
  }
}

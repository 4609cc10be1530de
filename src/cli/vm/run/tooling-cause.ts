import { stripVTControlCharacters } from 'node:util';
import { printable } from '../../../base/errors.ts';

/** How mise begins a line about an error. */
const ERROR_LINE = /^(?:mise )?(?:ERROR|Error:)\s*(.*)$/;

/** What mise prints after every failure; not a cause. */
const BOILERPLATE = /^(?:Run with --verbose\b|Version: |Please report\b)/;

/** Limits on the number of lines that are kept, and on their length: they come from the guest. */
const MOST_LINES = 3;
const MOST_CHARACTERS = 300;

/** Finds the cause of a failure in the output of an installation. */
export class ToolingCause {
  readonly #errors: string[] = [];
  #last = '';

  /** Takes the next line and returns it in a form that is safe to show; empty when nothing is left of it. */
  push(line: string): string {
    const text = printable(stripVTControlCharacters(line)).slice(0, MOST_CHARACTERS);
    if (text === '') return text;
    if (!text.startsWith('+ ')) this.#last = text;
    const error = ERROR_LINE.exec(text)?.[1] ?? '';
    if (error !== '' && !BOILERPLATE.test(error) && this.#errors.length < MOST_LINES)
      this.#errors.push(error);
    return text;
  }

  /**
   * Returns the first errors that mise reported, else the last line that it wrote; empty when it wrote none.
   */
  text(): string {
    return this.#errors.join('; ') || this.#last;
  }
}

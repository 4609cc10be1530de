import { relative } from 'node:path';
import type { EventData } from 'node:test';
import { inspect, stripVTControlCharacters } from 'node:util';
import type { Counts } from './counts.ts';

/** Most of a file's output that is kept for the report, in characters. */
const MAX_OUTPUT = 200_000;

/** Turns the events of a node:test run into lines for people, and counts. */
export class TestReport {
  readonly #root: string;
  readonly #write: (text: string) => void;
  /** names of the tests that enclose the current one, by file */
  readonly #trails = new Map<string, string[]>();
  readonly #output = new Map<string, string>();
  readonly #failedFiles = new Set<string>();
  #counts: Counts = { passed: 0, failed: 0, skipped: 0 };

  constructor(options: { root: string; write: (text: string) => void }) {
    this.#root = options.root;
    this.#write = options.write;
  }

  started({ file = '', name, nesting }: EventData.TestStart): void {
    const trail = this.#trails.get(file) ?? [];
    this.#trails.set(file, [...trail.slice(0, nesting), name]);
  }

  failed({ file = '', line, details, nesting, name }: EventData.TestFail): void {
    this.#failedFiles.add(file);
    const error: unknown = details.error.cause ?? details.error;
    if (
      details.type === 'suite' &&
      'failureType' in details.error &&
      details.error.failureType === 'subtestsFailed'
    ) {
      return;
    }
    const isWholeFile = name === file;
    const trail = [...(this.#trails.get(file) ?? []).slice(0, nesting), name].join(' > ');
    const where = `${this.#short(file)}${isWholeFile ? '' : `:${line ?? 0}`}`;
    this.#write(`FAIL ${where}${isWholeFile ? '' : ` ${trail}`}\n${indent(describe(error))}\n`);
  }

  printed({ file, message }: { file: string; message: string }): void {
    const before = this.#output.get(file) ?? '';
    this.#output.set(file, (before + message).slice(-MAX_OUTPUT));
  }

  ended({ file, counts, duration_ms: durationMs }: EventData.TestSummary): void {
    const skipped = counts.skipped + counts.todo;
    const sum = { passed: counts.passed, failed: counts.tests - counts.passed - skipped, skipped };
    if (file === undefined) {
      this.#counts = sum;
      return;
    }
    const state = sum.failed > 0 ? 'FAIL' : 'ok  ';
    const alsoSkipped = skipped > 0 ? `, ${skipped} skipped` : '';
    const seconds = (durationMs / 1000).toFixed(1);
    this.#write(
      `${state} ${this.#short(file)} (${sum.passed} of ${counts.tests}${alsoSkipped}, ${seconds} s)\n`,
    );
  }

  /** Writes what the failed files printed, and gives the counts of the whole run. */
  finish(): Counts {
    for (const file of this.#failedFiles) {
      const output = stripVTControlCharacters(this.#output.get(file) ?? '').trimEnd();
      if (output) this.#write(`---- output of ${this.#short(file)}\n${indent(output)}\n----\n`);
    }
    return this.#counts;
  }

  #short(file: string): string {
    return relative(this.#root, file);
  }
}

function describe(error: unknown): string {
  return typeof error === 'string' ? error : inspect(error, { depth: 8 });
}

function indent(text: string): string {
  return text.replace(/^/gm, '     ');
}

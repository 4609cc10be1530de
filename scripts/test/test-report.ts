import { relative } from 'node:path';
import type { EventData } from 'node:test';
import { inspect, stripVTControlCharacters } from 'node:util';
import type { Counts, Skip } from './counts.ts';

/** How much of a file's output the report keeps, in characters. */
const MAX_OUTPUT = 200_000;

/** How one test ended. */
export interface EndedTest {
  /** the names of its suites and its own, with a space between two */
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  durationMs: number;
}

/** Turns the events of a node:test run into lines for people, and counts. */
export class TestReport {
  readonly #root: string;
  readonly #write: (text: string) => void;
  readonly #onTest: (test: EndedTest) => void;
  /** names of the tests that enclose the current one, by file */
  readonly #trails = new Map<string, string[]>();
  readonly #output = new Map<string, string>();
  readonly #failedFiles = new Set<string>();
  readonly #skips = new Map<string, Skip[]>();
  #passed = 0;
  #failed = 0;

  constructor(options: {
    root: string;
    write: (text: string) => void;
    onTest?: (test: EndedTest) => void;
  }) {
    this.#root = options.root;
    this.#write = options.write;
    this.#onTest = options.onTest ?? (() => {});
  }

  started({ file = '', name, nesting }: EventData.TestStart): void {
    const trail = this.#trails.get(file) ?? [];
    this.#trails.set(file, [...trail.slice(0, nesting), name]);
  }

  /** node:test reports a skipped suite as passed, and does not report its tests at all. */
  passed(event: EventData.TestPass): void {
    const { file = '', name, details } = event;
    if (isSkipped(event)) this.#skipped(event);
    // node:test reports a file without tests as one test with the name of the file.
    else if (name === file) this.#empty(file);
    else if (details.type !== 'suite') {
      this.#passed += 1;
      this.#tell(event, 'passed');
    }
  }

  failed(event: EventData.TestFail): void {
    const { file = '', line, details, name } = event;
    if (isSkipped(event)) {
      this.#skipped(event);
      return;
    }
    this.#failedFiles.add(file);
    const error: unknown = details.error.cause ?? details.error;
    if (
      details.type === 'suite' &&
      'failureType' in details.error &&
      details.error.failureType === 'subtestsFailed'
    ) {
      return;
    }
    this.#failed += 1;
    this.#tell(event, 'failed');
    const isWholeFile = name === file;
    const trail = this.#trailOf(event);
    const where = `${this.#short(file)}${isWholeFile ? '' : `:${line ?? 0}`}`;
    this.#write(`FAIL ${where}${isWholeFile ? '' : ` ${trail}`}\n${indent(describe(error))}\n`);
  }

  printed({ file, message }: { file: string; message: string }): void {
    const before = this.#output.get(file) ?? '';
    this.#output.set(file, (before + message).slice(-MAX_OUTPUT));
  }

  ended({ file, counts, duration_ms: durationMs }: EventData.TestSummary): void {
    if (file === undefined) return;
    const skipped = this.#skips.get(file)?.length ?? 0;
    if (counts.tests + skipped === 0) this.#empty(file);
    const state = this.#failedFiles.has(file) ? 'FAIL' : 'ok  ';
    const alsoSkipped = skipped > 0 ? `, ${skipped} skipped` : '';
    const seconds = (durationMs / 1000).toFixed(1);
    this.#write(
      `${state} ${this.#short(file)} (${counts.passed} of ${counts.tests}${alsoSkipped}, ${seconds} s)\n`,
    );
  }

  /** Writes what the failed files printed, and returns the counts of the whole run. */
  finish(): Counts {
    for (const file of this.#failedFiles) {
      const output = stripVTControlCharacters(this.#output.get(file) ?? '').trimEnd();
      if (output) this.#write(`---- output of ${this.#short(file)}\n${indent(output)}\n----\n`);
    }
    return { passed: this.#passed, failed: this.#failed, skips: [...this.#skips.values()].flat() };
  }

  #skipped(event: EventData.TestPass | EventData.TestFail): void {
    const { file = '', skip, todo } = event;
    const reason = skip ?? todo;
    this.#tell(event, 'skipped');
    const why = typeof reason === 'string' && reason ? reason : 'no reason is given';
    const skips = this.#skips.get(file) ?? [];
    this.#skips.set(file, skips);
    skips.push(
      `${this.#short(file)} > ${this.#trailOf(event)}: ${todo === undefined ? '' : 'to do: '}${why}`,
    );
  }

  #tell(event: EventData.TestPass | EventData.TestFail, outcome: EndedTest['outcome']): void {
    const name = this.#namesOf(event).join(' ');
    this.#onTest({ name, outcome, durationMs: event.details.duration_ms });
  }

  #empty(file: string): void {
    this.#failed += 1;
    this.#failedFiles.add(file);
    this.#write(`FAIL ${this.#short(file)}: no test is in it\n`);
  }

  #trailOf(event: EventData.TestPass | EventData.TestFail): string {
    return this.#namesOf(event).join(' > ');
  }

  #namesOf({ file = '', nesting, name }: EventData.TestPass | EventData.TestFail): string[] {
    return [...(this.#trails.get(file) ?? []).slice(0, nesting), name];
  }

  #short(file: string): string {
    return relative(this.#root, file);
  }
}

function isSkipped({ skip, todo }: EventData.TestPass | EventData.TestFail): boolean {
  return (skip ?? todo ?? false) !== false;
}

function describe(error: unknown): string {
  return typeof error === 'string' ? error : inspect(error, { depth: 8 });
}

function indent(text: string): string {
  return text.replace(/^/gm, '     ');
}

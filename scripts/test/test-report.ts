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

/** How the tests of one file ended. */
export interface FileResult {
  /** its path below the root */
  file: string;
  counts: Counts;
  /** the lines about its failures, which were written as they came; empty when nothing failed */
  failures: string;
  /** what it printed, indented, under a heading; empty unless it failed */
  output: string;
}

/** What is known of a file so far. */
interface FileState {
  passed: number;
  failed: number;
  skips: Skip[];
  /** names of the tests that enclose the current one */
  trail: string[];
  printed: string;
  failures: string;
}

/**
 * Turns the events of a node:test run into lines for people, and counts. node:test reports one file after
 * another, and a test with the file in which it is written, which may be a helper of the file that ran. So
 * everything up to the summary of a file belongs to that file.
 */
export class TestReport {
  readonly #root: string;
  readonly #write: (text: string) => void;
  readonly #onTest: (test: EndedTest) => void;
  readonly #files = new Map<string, FileState>();
  /** the file that is reported now, of which only its tests are known yet */
  #current = emptyState();

  constructor(options: {
    root: string;
    write: (text: string) => void;
    onTest?: (test: EndedTest) => void;
  }) {
    this.#root = options.root;
    this.#write = options.write;
    this.#onTest = options.onTest ?? (() => {});
  }

  started({ name, nesting }: EventData.TestStart): void {
    this.#current.trail = [...this.#current.trail.slice(0, nesting), name];
  }

  /** node:test reports a skipped suite as passed, and does not report its tests at all. */
  passed(event: EventData.TestPass): void {
    const { file = '', name, details } = event;
    if (isSkipped(event)) this.#skipped(event);
    // node:test reports a file without tests as one test with the name of the file.
    else if (name === file) {
      this.#empty(file);
      this.#assign(file);
    } else if (details.type !== 'suite') {
      this.#current.passed += 1;
      this.#tell(event, 'passed');
    }
  }

  failed(event: EventData.TestFail): void {
    const { file = '', line, details, name } = event;
    if (isSkipped(event)) {
      this.#skipped(event);
      return;
    }
    const error: unknown = details.error.cause ?? details.error;
    if (
      details.type === 'suite' &&
      'failureType' in details.error &&
      details.error.failureType === 'subtestsFailed'
    ) {
      return;
    }
    this.#tell(event, 'failed');
    const text = indent(describe(error));
    if (name === file) {
      this.#fail(`FAIL ${this.#short(file)}\n${text}\n`);
      this.#assign(file);
    } else {
      this.#fail(`FAIL ${this.#short(file)}:${line ?? 0} ${this.#trailOf(event)}\n${text}\n`);
    }
  }

  printed({ message }: { message: string }): void {
    this.#current.printed = (this.#current.printed + message).slice(-MAX_OUTPUT);
  }

  ended({ file, counts, duration_ms: durationMs }: EventData.TestSummary): void {
    if (file === undefined) return;
    const skipped = this.#current.skips.length;
    if (counts.tests + skipped === 0) this.#empty(file);
    const { failed } = this.#assign(file);
    const state = failed > 0 ? 'FAIL' : 'ok  ';
    const alsoSkipped = skipped > 0 ? `, ${skipped} skipped` : '';
    const seconds = (durationMs / 1000).toFixed(1);
    this.#write(
      `${state} ${this.#short(file)} (${counts.passed} of ${counts.tests}${alsoSkipped}, ${seconds} s)\n`,
    );
  }

  /**
   * The results of all files that were reported, in that order. What belongs to no file is a result without a
   * name.
   */
  results(): FileResult[] {
    if (this.#current.passed + this.#current.failed > 0) this.#assign('');
    return [...this.#files].map(([path, { passed, failed, skips, failures, printed }]) => {
      const file = path && this.#short(path);
      const text = failed > 0 ? stripVTControlCharacters(printed).trimEnd() : '';
      const output = text && `---- output of ${file}\n${indent(text)}\n----\n`;
      return { file, counts: { passed, failed, skips }, failures, output };
    });
  }

  /** Adds what was reported since the file before to what is known of `file`, and returns both. */
  #assign(file: string): FileState {
    const known = this.#files.get(file) ?? emptyState();
    const { passed, failed, skips, printed, failures } = this.#current;
    this.#current = emptyState();
    const state = {
      passed: known.passed + passed,
      failed: known.failed + failed,
      skips: [...known.skips, ...skips],
      trail: [],
      printed: known.printed + printed,
      failures: known.failures + failures,
    };
    this.#files.set(file, state);
    return state;
  }

  #fail(text: string): void {
    this.#current.failed += 1;
    this.#current.failures += text;
    this.#write(text);
  }

  #skipped(event: EventData.TestPass | EventData.TestFail): void {
    const { file = '', skip, todo } = event;
    const reason = skip ?? todo;
    this.#tell(event, 'skipped');
    const why = typeof reason === 'string' && reason ? reason : 'no reason is given';
    this.#current.skips.push(
      `${this.#short(file)} > ${this.#trailOf(event)}: ${todo === undefined ? '' : 'to do: '}${why}`,
    );
  }

  #tell(event: EventData.TestPass | EventData.TestFail, outcome: EndedTest['outcome']): void {
    const name = this.#namesOf(event).join(' ');
    this.#onTest({ name, outcome, durationMs: event.details.duration_ms });
  }

  #empty(file: string): void {
    this.#fail(`FAIL ${this.#short(file)}: no test is in it\n`);
  }

  #trailOf(event: EventData.TestPass | EventData.TestFail): string {
    return this.#namesOf(event).join(' > ');
  }

  #namesOf({ nesting, name }: EventData.TestPass | EventData.TestFail): string[] {
    return [...this.#current.trail.slice(0, nesting), name];
  }

  #short(file: string): string {
    return relative(this.#root, file);
  }
}

function emptyState(): FileState {
  return { passed: 0, failed: 0, skips: [], trail: [], printed: '', failures: '' };
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

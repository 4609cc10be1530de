import { neverAborts } from '../../src/base/abort.ts';
import { messageOf } from '../../src/base/errors.ts';
import { execStream } from '../../src/base/process/exec.ts';
import { LineSplitter } from '../../src/base/text/line-splitter.ts';
import { goEnv } from '../build/go-env.ts';
import type { Counts, Skip } from './counts.ts';

/** One line of `go test -json` (`go doc test2json`). */
interface GoEvent {
  Action: string;
  Package?: string;
  Test?: string;
  Output?: string;
  Elapsed?: number;
}

/** Runs the Go tests of the module in `cwd`. Writes a line per package, and the output of failing tests. */
export async function runGoTests(cwd: string, { write }: { write: (text: string) => void }): Promise<Counts> {
  const report = new GoReport(write);
  const lines = new LineSplitter();
  let stderr = '';
  // `npm run check` vets more than `go test` does; with an empty cache, the second time takes as long.
  const { stdout, done } = execStream(['go', 'test', '-vet=off', '-json', './...'], {
    cwd,
    env: goEnv(),
    signal: neverAborts(),
    okCodes: [0, 1, 2],
    onStderr: (chunk) => {
      stderr += chunk.toString('utf8');
    },
  });
  for await (const chunk of stdout) {
    for (const line of lines.push(chunk as Buffer)) if (line.startsWith('{')) report.take(JSON.parse(line));
  }
  try {
    await done;
  } catch (error) {
    write(`FAIL go test: ${messageOf(error)}\n`);
    return { ...report.counts, failed: report.counts.failed + 1 };
  }
  if (report.counts.failed > 0 && stderr) write(stderr);
  return report.counts;
}

class GoReport {
  readonly counts = { passed: 0, failed: 0, skips: [] as Skip[] };
  readonly #write: (text: string) => void;
  readonly #output = new Map<string, string>();
  readonly #failedTests = new Map<string, number>();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  take(event: GoEvent): void {
    const key = `${event.Package ?? ''} ${event.Test ?? ''}`;
    if (event.Action === 'output' || event.Action === 'build-output') {
      this.#output.set(key, (this.#output.get(key) ?? '') + (event.Output ?? ''));
    }
    if (event.Action === 'build-output') this.#write(event.Output ?? '');
    if (event.Test === undefined) this.#packageEnded(event);
    else if (event.Action === 'pass') this.counts.passed += 1;
    else if (event.Action === 'skip') this.#skipped(event);
    else if (event.Action === 'fail') {
      this.counts.failed += 1;
      const name = event.Package ?? '';
      this.#failedTests.set(name, (this.#failedTests.get(name) ?? 0) + 1);
      this.#write(`FAIL ${name} ${event.Test}\n${this.#output.get(key) ?? ''}`);
    }
  }

  #skipped({ Package: name = '', Test: test = '' }: GoEvent): void {
    const output = this.#output.get(`${name} ${test}`) ?? '';
    this.counts.skips.push(`${name} ${test}: ${skipReason(output)}`);
  }

  #packageEnded({ Action: action, Package: name = '', Elapsed: seconds = 0 }: GoEvent): void {
    if (action !== 'pass' && action !== 'fail') return;
    this.#write(`${action === 'pass' ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)\n`);
    if (action === 'fail' && !this.#failedTests.has(name)) {
      // The package did not compile, or died outside of a test.
      this.counts.failed += 1;
      this.#write(this.#output.get(`${name} `) ?? '');
    }
  }
}

/** The reason of a skipped test, from lines such as `    some_test.go:12: no namespaces here`. */
function skipReason(output: string): string {
  const said = output.split('\n').map((line) => /^\s+\S+_test\.go:\d+: (.*)$/.exec(line)?.[1]);
  return said.filter(Boolean).join(' ') || 'no reason is given';
}

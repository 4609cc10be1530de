import { PassThrough } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { execStream, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';
import type { Variables } from '../../../base/process/programs.ts';
import { LineSplitter } from '../../../base/text/line-splitter.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { Report } from '../../../protocol/events.ts';
import { badOutput, type OciLine, type OciProgress, parseOciLine } from './oci-output.ts';

/** `ms` that the program has to end after SIGTERM: it closes its files and keeps what it has downloaded. */
const GRACE_MS = 5_000;

/** What running the program needs. */
export interface OciProgram {
  /** the program `banger-host` */
  hostTools: string;
  /** its environment */
  env: Variables;
}

/**
 * Runs `banger-host oci` with these words, and returns the value of its last line. It ends when this process
 * ends. Reports progress as `stage`.
 *
 * @throws {AppError} what the program says; EXEC_FAILED, EXEC_NOT_FOUND when it says nothing;
 * IMAGE_BUILD_FAILED when its output cannot be understood.
 */
export async function runOci(
  words: readonly string[],
  { hostTools, env }: OciProgram,
  { stage, report, signal }: Abortable & { stage: string; report: Report },
): Promise<Record<string, unknown>> {
  // The program ends when its standard input does: with this process, however that dies.
  const stdin = new PassThrough();
  const { stdout, done } = execStream([hostTools, 'oci', ...words], {
    signal,
    env: { ...env },
    input: stdin,
    graceMs: GRACE_MS,
    deadlineMs: LONG_WORK_DEADLINE_MS,
  });
  const lines = new LineSplitter();
  let last: OciLine | undefined;
  for await (const chunk of stdout) {
    for (const line of lines.push(chunk as Buffer)) {
      last = parseOciLine(line);
      if (last.kind === 'progress') {
        report({ event: 'progress', stage, detail: progressText(last.progress), ...bytesOf(last.progress) });
      }
    }
  }
  try {
    await done;
  } catch (error) {
    if (last?.kind === 'failure' && isAppError(error, 'EXEC_FAILED') && !signal.aborted) throw last.error;
    throw error;
  }
  if (last?.kind !== 'result') throw badOutput('it ended without a result');
  return last.value;
}

function bytesOf({ bytes, bytesDone }: OciProgress): { bytes?: { done: number; total: number } } {
  return bytes === undefined || bytesDone === undefined ? {} : { bytes: { done: bytesDone, total: bytes } };
}

function progressText({ bytes, bytesDone, layers, layersDone }: OciProgress): string {
  const parts = [
    ...(layers === undefined ? [] : [`${layersDone ?? 0} of ${layers} layers`]),
    ...(bytes === undefined ? [] : [`${formatSize(bytesDone ?? 0)} of ${formatSize(bytes)}`]),
  ];
  return parts.join(', ');
}

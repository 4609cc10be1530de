import { LineSplitter } from '../../../base/text/line-splitter.ts';
import type { NetworkLogEntry } from '../../../protocol/api/network.ts';
import type { CommandContext } from '../../context/context.ts';
import { passText } from '../../context/pass-text.ts';
import { renderDecision } from './render-decision.ts';

/** Many times a line of the log. */
const MAX_LINE_BYTES = 64 * 1024;

/** How a log is printed. */
interface PrintOptions {
  isJson: boolean;
  isFollowed: boolean;
  context: CommandContext;
}

/** Prints the decisions of a log: a line for each as it comes, or with `isJson` all of them as one value. */
export async function printNetworkLog(
  log: AsyncIterable<Buffer>,
  { isJson, isFollowed, context }: PrintOptions,
): Promise<void> {
  const { stdout: sink, signal } = context;
  if (isJson && isFollowed) return await passText(log, { sink, signal });
  const lines = new LineSplitter(MAX_LINE_BYTES);
  const all: NetworkLogEntry[] = [];
  for await (const chunk of log) {
    const entries = lines.push(chunk).flatMap((line) => entryOf(line) ?? []);
    if (isJson) all.push(...entries);
    else if (entries.length > 0) {
      await sink.write(Buffer.from(`${entries.map(renderDecision).join('\n')}\n`), { signal });
    }
  }
  if (isJson) await context.printJson(all);
}

/** `undefined` for what is no whole line, as after a full disk. */
function entryOf(line: string): NetworkLogEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    const isEntry = typeof entry === 'object' && entry !== null && 'time' in entry && 'kind' in entry;
    return isEntry ? (entry as NetworkLogEntry) : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

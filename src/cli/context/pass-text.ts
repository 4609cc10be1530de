import { StringDecoder } from 'node:string_decoder';
import type { Abortable } from '../../base/abort.ts';
import { INVISIBLE } from '../../base/text/unprintable.ts';
import type { Sink } from './output.ts';

/** How many characters of an unfinished line are held back, so that no sequence is cut in two. */
const MAX_PENDING_CHARS = 4096;

/**
 * Copies untrusted text, such as the console of a guest. To a file it is copied unchanged. For a terminal all
 * control characters are replaced except those that set colours: a guest must not be able to retitle, scroll
 * or query the terminal of a user who reads its log.
 */
export async function passText(
  text: AsyncIterable<Buffer>,
  { sink, signal }: Abortable & { sink: Sink },
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let pending = '';
  for await (const chunk of text) {
    if (!sink.isTerminal) {
      await sink.write(chunk, { signal });
      continue;
    }
    pending += decoder.write(chunk);
    const lineEnd = pending.lastIndexOf('\n') + 1;
    const at = pending.length - lineEnd > MAX_PENDING_CHARS ? pending.length : lineEnd;
    if (at > 0) await sink.write(harmless(pending.slice(0, at)), { signal });
    pending = pending.slice(at);
  }
  pending += decoder.end();
  if (pending !== '') await sink.write(harmless(pending), { signal });
}

/**
 * Returns `text` with its colours, tabs and line ends; U+FFFD replaces every other control or invisible
 * character.
 */
export function harmless(text: string): string {
  const visible = text.replace(/[\p{Zl}\p{Zp}]/gu, ' ').replace(INVISIBLE, '\ufffd');
  return visible.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
    /\u001b\[[0-9;]*m|\u001b\[[0-?]*[ -/]*[@-~]|\u001b[@-~]?|[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f]/g,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the one kind of sequence that is kept
    (found) => (/^\u001b\[[0-9;]*m$/.test(found) ? found : ''),
  );
}

import { printable } from '../../../base/errors.ts';
import type { NetworkLogEntry, NetworkVerdict } from '../../../protocol/api/network.ts';

/** What would happen to a connection, for people. */
export function renderVerdict(target: string, { allowed, rule, steps, allow }: NetworkVerdict): string {
  const head = allowed ? `${target}: allowed${rule ? ` by ${rule}` : ''}` : `${target}: refused`;
  const hint = !allowed && allow ? [`to allow it: --allow ${allow}`] : [];
  return printed([head, ...steps.map((step) => `- ${step}`), ...hint]);
}

/** A decision on one line, for people. */
export function renderDecision(entry: NetworkLogEntry): string {
  const { time, kind, name, address, port, verdict, rule, reason, allow, count, summary } = entry;
  const place =
    address === undefined
      ? undefined
      : port
        ? `${address.includes(':') ? `[${address}]` : address}:${port}`
        : address;
  const what = summary ? 'many' : [name, place].filter(Boolean).join(' ');
  const why = verdict === 'allowed' ? rule && `by ${rule}` : reason;
  const times = count ? `${count} more` : undefined;
  const hint = allow && verdict !== 'allowed' ? `--allow ${allow}` : undefined;
  const parts = [
    time.slice(0, 19),
    kind.padEnd(4),
    verdict,
    what,
    ...[why, times, hint].flatMap((part) => (part ? [`| ${part}`] : [])),
  ];
  return printed([parts.join(' ')]);
}

/** The guest chose the names: no character of them may reach the terminal unseen. */
function printed(lines: readonly string[]): string {
  return lines
    .flatMap((text) => text.split('\n'))
    .map(printable)
    .join('\n');
}

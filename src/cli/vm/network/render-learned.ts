import { AppError, printable } from '../../../base/errors.ts';
import { parseDuration } from '../../../base/text/duration.ts';
import { plural } from '../../../base/text/words.ts';
import { type LearnedRules, MAX_LEARN_MS } from '../../../protocol/api/network.ts';

/** Reads `--for`, in `ms`. @throws {AppError} DURATION_INVALID, USAGE_OPTION_VALUE */
export function learnTime(text: string): number {
  const ms = parseDuration(text, '--for');
  if (ms >= 1 && ms <= MAX_LEARN_MS) return ms;
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use "${printable(text)}" for --for: it is not a time up to a day`,
    {
      hint: '--for takes a time such as 30s or 10m',
      details: { field: 'for', value: text },
    },
  );
}

/** The table of the config file for what was learned. */
export function renderLearned(name: string, { rules, missed }: LearnedRules): string {
  if (rules.length === 0) return '# the guest opened no connection\n'.trimEnd();
  const table = /^[a-z0-9-]{1,63}$/.test(name) ? name : 'learned';
  const lines = rules.map(({ rule, warnings, uses }) => {
    const notes = [plural(uses, 'connection'), ...warnings.map((warning) => `careful: ${warning}`)];
    return `  ${JSON.stringify(printable(rule))}, # ${notes.map(printable).join('; ')}`;
  });
  const left = missed > 0 ? [`# ${plural(missed, 'connection')} found no room and may need more rules`] : [];
  return [...left, `[network.policies.${table}]`, 'allow = [', ...lines, ']'].join('\n');
}

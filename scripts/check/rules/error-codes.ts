import type { Finding, Project, Rule, SourceFile } from '../project.ts';

const LIST = 'docs/errors.md';
const CODE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

/** The list names a code at the start of a table row. */
const LISTED = /^\| `([A-Z0-9_]+)` \|/;

/**
 * Error codes are a contract with users: `docs/errors.md` lists every code that exists, and no other.
 */
export const errorCodesAreListed: Rule = {
  name: 'error-codes-are-listed',
  find(project) {
    const listed = listedCodes(project.texts.get(LIST) ?? '');
    const used = usedCodes(project, listed.keys());
    const findings: Finding[] = [];
    for (const [code, { path, line }] of used) {
      if (!listed.has(code)) findings.push({ path, line, message: `"${code}" is not in ${LIST}` });
    }
    for (const [code, line] of listed) {
      if (!used.has(code)) findings.push({ path: LIST, line, message: `nothing throws "${code}"` });
    }
    return findings;
  },
};

function listedCodes(text: string): Map<string, number> {
  const lines = text.split('\n').map((line, index) => [LISTED.exec(line)?.[1], index + 1] as const);
  return new Map(lines.flatMap(([code, line]) => (code === undefined ? [] : [[code, line]])));
}

/**
 * All codes with the place of their first use: the arguments of `new AppError`, and other strings in tables
 * and comparisons that look like a code of a known area (`VM_...`).
 */
function usedCodes(project: Project, listed: Iterable<string>): Map<string, { path: string; line: number }> {
  const sources = [...project.sources.values()].filter(
    (file) => file.path.startsWith('src/') && !file.isTest,
  );
  const areas = new Set([...sources.flatMap(thrownCodes), ...listed].map(areaOf));
  const used = new Map<string, { path: string; line: number }>();
  for (const { path, tokens } of sources) {
    for (const { kind, text, line } of tokens) {
      if (kind !== 'string' || !CODE.test(text) || !areas.has(areaOf(text)) || used.has(text)) continue;
      used.set(text, { path, line });
    }
  }
  return used;
}

function thrownCodes({ tokens }: SourceFile): string[] {
  return tokens.flatMap((token, at) => {
    const isError =
      token.text === 'AppError' && tokens[at - 1]?.text === 'new' && tokens[at + 1]?.text === '(';
    const argument = tokens[at + 2];
    return isError && argument?.kind === 'string' && CODE.test(argument.text) ? [argument.text] : [];
  });
}

function areaOf(code: string): string {
  return code.slice(0, code.indexOf('_'));
}

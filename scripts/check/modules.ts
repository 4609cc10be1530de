import { type Token, tokenize } from './tokens.ts';

/** One import or re-export. */
export interface Import {
  specifier: string;
  /** imported names, as the other module exports them; `*` means all of them */
  names: string[];
  /** removed by type stripping */
  isTypeOnly: boolean;
  isDynamic: boolean;
  isReExport: boolean;
  line: number;
}

/** One name that a module exports. */
export interface Export {
  name: string;
  /** `list` is `export { a }`, whose declaration is elsewhere */
  kind: 'value' | 'type' | 'list';
  hasDoc: boolean;
  line: number;
}

/** The imports and exports of a module. */
export interface ModuleFacts {
  tokens: Token[];
  imports: Import[];
  exports: Export[];
  /** lines with `export default` */
  defaultExportLines: number[];
  /** lines with an `import()` whose argument is not a plain string */
  computedImportLines: number[];
}

/**
 * Reads the module syntax of a TypeScript file: static, type-only and dynamic imports, exports and
 * re-exports.
 */
export function readModule(source: string): ModuleFacts {
  const tokens = tokenize(source);
  const facts: ModuleFacts = {
    tokens,
    imports: [],
    exports: [],
    defaultExportLines: [],
    computedImportLines: [],
  };
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] as Token;
    if (token.kind !== 'word' || isPropertyName(tokens, at)) continue;
    if (token.text === 'import') readImport(tokens, at, facts);
    if (token.text === 'export') readExport(tokens, at, facts);
  }
  return facts;
}

function isPropertyName(tokens: Token[], at: number): boolean {
  const before = tokens[at - 1];
  const after = tokens[at + 1];
  if (before?.kind === 'punct' && before.text === '.') return true;
  return after?.kind === 'punct' && ':,='.includes(after.text);
}

function readImport(tokens: Token[], at: number, facts: ModuleFacts): void {
  const line = (tokens[at] as Token).line;
  const next = tokens[at + 1];
  if (is(next, '.')) return;
  if (is(next, '(')) {
    const argument = tokens[at + 2];
    if (argument?.kind !== 'string' || !is(tokens[at + 3], ')')) {
      facts.computedImportLines.push(line);
      return;
    }
    const specifier = argument.text;
    facts.imports.push({
      specifier,
      names: ['*'],
      isTypeOnly: false,
      isDynamic: true,
      isReExport: false,
      line,
    });
    return;
  }
  const common = { isDynamic: false, isReExport: false, line };
  if (next?.kind === 'string') {
    facts.imports.push({ specifier: next.text, names: [], isTypeOnly: false, ...common });
    return;
  }
  const clause = readClause(tokens, at + 1);
  if (clause) {
    const { specifier, names, isTypeOnly } = clause;
    facts.imports.push({ specifier, names, isTypeOnly, ...common });
  }
}

function readExport(tokens: Token[], at: number, facts: ModuleFacts): void {
  const { line, afterDoc } = tokens[at] as Token;
  const next = tokens[at + 1];
  if (is(next, 'default')) {
    facts.defaultExportLines.push(line);
    return;
  }
  const isTypeList = is(next, 'type') && (is(tokens[at + 2], '{') || is(tokens[at + 2], '*'));
  if (is(next, '{') || is(next, '*') || isTypeList) {
    readExportList(tokens, at, facts);
    return;
  }
  const declared = declaration(tokens, at + 1);
  if (declared) facts.exports.push({ ...declared, hasDoc: afterDoc, line });
}

function readExportList(tokens: Token[], at: number, facts: ModuleFacts): void {
  const { line, afterDoc } = tokens[at] as Token;
  const clause = readClause(tokens, at + 1);
  if (clause) {
    const { specifier, names, isTypeOnly } = clause;
    facts.imports.push({ specifier, names, isTypeOnly, isDynamic: false, isReExport: true, line });
  }
  const exported = clause?.localNames ?? listNames(tokens, at + 1).localNames;
  for (const name of exported) {
    if (name !== '*') facts.exports.push({ name, kind: 'list', hasDoc: afterDoc, line });
  }
}

/** What `export` declares: the name behind `const`, `async function`, `interface` and so on. */
function declaration(tokens: Token[], from: number): Pick<Export, 'name' | 'kind'> | undefined {
  let at = from;
  while (['declare', 'abstract', 'async'].includes(tokens[at]?.text ?? '')) at += 1;
  const keyword = tokens[at]?.text ?? '';
  if (['interface', 'type'].includes(keyword)) return { name: tokens[at + 1]?.text ?? '', kind: 'type' };
  if (!['const', 'let', 'var', 'function', 'class', 'enum', 'namespace'].includes(keyword)) return undefined;
  at += 1;
  while (is(tokens[at], '*') || is(tokens[at], 'enum')) at += 1;
  return { name: tokens[at]?.text ?? '', kind: 'value' };
}

interface Clause {
  specifier: string;
  names: string[];
  /** the same, under their local names */
  localNames: string[];
  isTypeOnly: boolean;
}

/** Reads `[type] a, { b, type c as d }, * as e from 'specifier'`; `undefined` when no `from` follows. */
function readClause(tokens: Token[], from: number): Clause | undefined {
  let at = from;
  let wholeIsType = false;
  if (is(tokens[at], 'type') && !is(tokens[at + 1], 'from') && !is(tokens[at + 1], ',')) {
    wholeIsType = true;
    at += 1;
  }
  const list = listNames(tokens, at);
  if (!is(tokens[list.end], 'from')) return undefined;
  const specifier = tokens[list.end + 1];
  if (specifier?.kind !== 'string') return undefined;
  const { names, localNames } = list;
  return { specifier: specifier.text, names, localNames, isTypeOnly: wholeIsType || list.allTypes };
}

function listNames(tokens: Token[], from: number) {
  const names: string[] = [];
  const localNames: string[] = [];
  let values = 0;
  let at = from;
  let inBraces = false;
  for (; at < tokens.length; at += 1) {
    const token = tokens[at] as Token;
    if (is(token, '{')) inBraces = true;
    else if (is(token, '}')) inBraces = false;
    else if (!inBraces && is(token, 'from')) break;
    else if (is(token, ';') || (!inBraces && ['import', 'export', 'const'].includes(token.text))) break;
    else if (is(token, '*') || token.kind === 'word') {
      const isType = inBraces && is(token, 'type') && tokens[at + 1]?.kind === 'word';
      if (isType) at += 1;
      else values += 1;
      const taken = (tokens[at] as Token).text;
      names.push(inBraces || taken === '*' ? taken : 'default');
      if (is(tokens[at + 1], 'as')) at += 2;
      localNames.push((tokens[at] as Token).text);
    }
  }
  return { names, localNames, end: at, allTypes: names.length > 0 && values === 0 };
}

function is(token: Token | undefined, text: string): boolean {
  return token !== undefined && token.text === text && (token.kind === 'word' || token.kind === 'punct');
}

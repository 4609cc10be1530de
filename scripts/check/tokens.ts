/**
 * One token of a TypeScript file. Comments are dropped; a doc comment sets `afterDoc` on the next token.
 */
export interface Token {
  kind: 'word' | 'string' | 'template' | 'regex' | 'number' | 'punct';
  /** as written, without the quotes of a string */
  text: string;
  line: number;
  /** a doc comment is right before it */
  afterDoc: boolean;
}

/** Words after which a slash starts a regular expression, not a division. */
const BEFORE_REGEX = new Set(
  'return typeof case in of delete void throw new else do yield await instanceof'.split(' '),
);

const WORD = /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\.?[0-9](?:[eE][+-]|[\w.])*/y;

/**
 * Splits TypeScript source into tokens. It understands strings, template literals with their expressions,
 * regular expressions and comments, so that it never mistakes text in a string or a comment for code. We have
 * our own because TypeScript 7 has no JavaScript API and no dependency of ours is a parser.
 */
export function tokenize(source: string): Token[] {
  return new Tokenizer(source).run();
}

class Tokenizer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #afterDoc = false;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    if (this.#source.startsWith('#!')) this.#skipTo('\n');
    this.#code('');
    return this.#tokens;
  }

  /** Reads code up to the end, or to the closing brace of a template's expression when `until` is `}`. */
  #code(until: '' | '}'): void {
    let depth = 0;
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at] as string;
      if (until === '}' && char === '}' && depth === 0) return;
      if (char === '{') depth += 1;
      if (char === '}') depth -= 1;
      this.#one(char);
    }
  }

  #one(char: string): void {
    const two = this.#source.slice(this.#at, this.#at + 2);
    if (/\s/.test(char)) this.#advance(1);
    else if (two === '//') this.#skipTo('\n');
    else if (two === '/*') this.#blockComment();
    else if (char === "'" || char === '"') this.#string(char);
    else if (char === '`') this.#template();
    else if (char === '/' && this.#regexMayStart()) this.#regex();
    else this.#wordOrMark(char);
  }

  #wordOrMark(char: string): void {
    const word = this.#match(WORD);
    const number = word ? undefined : this.#match(NUMBER);
    if (word) this.#push('word', word, word.length);
    else if (number) this.#push('number', number, number.length);
    else this.#push('punct', char, char.length);
  }

  #blockComment(): void {
    const isDoc = this.#source.startsWith('/**', this.#at);
    const end = this.#source.indexOf('*/', this.#at + 2);
    this.#advance((end < 0 ? this.#source.length : end + 2) - this.#at);
    if (isDoc) this.#afterDoc = true;
  }

  #string(quote: string): void {
    let end = this.#at + 1;
    while (end < this.#source.length && this.#source[end] !== quote && this.#source[end] !== '\n') {
      end += this.#source[end] === '\\' ? 2 : 1;
    }
    this.#push('string', this.#source.slice(this.#at + 1, end), end + 1 - this.#at);
  }

  #template(): void {
    const token = this.#push('template', '', 1);
    while (this.#at < this.#source.length && this.#source[this.#at] !== '`') {
      if (this.#source.startsWith('${', this.#at)) {
        this.#advance(2);
        this.#code('}');
        this.#advance(1);
        continue;
      }
      const length = this.#source[this.#at] === '\\' ? 2 : 1;
      token.text += this.#source.slice(this.#at, this.#at + length);
      this.#advance(length);
    }
    this.#advance(1);
  }

  #regex(): void {
    let end = this.#at + 1;
    let inClass = false;
    for (; end < this.#source.length && this.#source[end] !== '\n'; end += 1) {
      const char = this.#source[end];
      if (char === '\\') end += 1;
      else if (char === '[') inClass = true;
      else if (char === ']') inClass = false;
      else if (char === '/' && !inClass) break;
    }
    this.#push('regex', this.#source.slice(this.#at, end + 1), end + 1 - this.#at);
  }

  #regexMayStart(): boolean {
    const before = this.#tokens.at(-1);
    if (!before) return true;
    if (before.kind === 'word') return BEFORE_REGEX.has(before.text);
    return before.kind === 'punct' && !')]}'.includes(before.text);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source)?.[0];
  }

  #skipTo(char: string): void {
    const end = this.#source.indexOf(char, this.#at);
    this.#advance((end < 0 ? this.#source.length : end) - this.#at);
  }

  #push(kind: Token['kind'], text: string, length: number): Token {
    const token = { kind, text, line: this.#line, afterDoc: this.#afterDoc };
    this.#tokens.push(token);
    this.#afterDoc = false;
    this.#advance(length);
    return token;
  }

  #advance(length: number): void {
    for (let i = 0; i < length; i += 1) if (this.#source[this.#at + i] === '\n') this.#line += 1;
    this.#at += length;
  }
}

const MAX_NAME_LENGTH = 253;
const MAX_LABEL_LENGTH = 63;

/** Parses the host of a rule, in lower case and without its final dot. Returns why there is none. */
export function parseHost(text: string): { host: string; isWildcard: boolean } | string {
  const isWildcard = text.startsWith('*.');
  const host = text
    .slice(isWildcard ? 2 : 0)
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replace(/\.$/, '');
  return problemOf(host, isWildcard) ?? { host, isWildcard };
}

function problemOf(host: string, isWildcard: boolean): string | undefined {
  if (host.startsWith('@')) return 'there is no such preset';
  if (host === '*' || (isWildcard && host === '')) {
    return '"*" stands for the names below a host, like *.example.com; to allow everything, give no rule';
  }
  if (host === 'localhost' || host.endsWith('.localhost')) return 'localhost is the guest itself';
  if (host === '') return 'it has no host';
  if (Buffer.byteLength(host) > MAX_NAME_LENGTH) return 'its host is longer than 253 characters';
  const labels = host.split('.');
  for (const label of labels) {
    const problem = labelProblem(label);
    if (problem !== undefined) return problem;
  }
  return isNumber(labels.at(-1) ?? '') ? 'its host is neither a name nor an address' : undefined;
}

function labelProblem(label: string): string | undefined {
  if (label === '') return 'its host has an empty part between dots';
  if (Buffer.byteLength(label) > MAX_LABEL_LENGTH) return 'a part of its host is longer than 63 characters';
  const [wrong] = /[^a-z0-9_-]/u.exec(label) ?? [];
  if (wrong === '*') return '"*" may only stand for the whole first part of a host, like *.example.com';
  if (wrong !== undefined && (wrong.codePointAt(0) ?? 0) >= 0x80) {
    return 'write a host with letters outside ASCII in its xn-- form';
  }
  if (wrong !== undefined) return 'its host has a character that names do not have';
  return label.startsWith('-') || label.endsWith('-')
    ? 'a part of its host begins or ends with "-"'
    : undefined;
}

/** Whether programs read a label as a number: decimal, octal or hexadecimal. */
function isNumber(label: string): boolean {
  return /^(?:[0-9]*|0x[0-9a-f]*)$/.test(label);
}

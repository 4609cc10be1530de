import { createHash } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';

/** A VM as a page shows it. */
export interface ListedVm {
  name: string;
  state: string;
  /** address of its first web server; absent for a VM that is neither running nor suspended */
  url?: string;
  ports: readonly { port: number; process?: string; url: string }[];
}

/** What a page says. */
export interface PageContent {
  title: string;
  /** paragraphs */
  text: readonly string[];
  /** the user's VMs; absent: the page does not list them */
  vms?: readonly ListedVm[];
}

/** A page, ready to be sent. */
export interface Page {
  body: string;
  headers: OutgoingHttpHeaders;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1.2rem .2rem 0;vertical-align:top}
code{background:#8882;padding:0 .2rem}:root{color-scheme:light dark}`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** Nothing may run on our pages, and no other site may show or read them. */
const SAFETY: OutgoingHttpHeaders = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Writes a page: HTML for a browser, plain text for any other client. */
export function writePage(content: PageContent, { accept }: { accept: string | undefined }): Page {
  const isBrowser = accept?.includes('text/html') === true;
  const body = isBrowser ? html(content) : plain(content);
  return {
    body,
    headers: {
      ...SAFETY,
      'content-type': `text/${isBrowser ? 'html' : 'plain'}; charset=utf-8`,
      'content-length': Buffer.byteLength(body),
    },
  };
}

function html({ title, text, vms }: PageContent): string {
  const paragraphs = text.map((each) => `<p>${escapeHtml(each)}</p>\n`).join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeHtml(title)}</h1>
${paragraphs}${vms ? vmTable(vms) : ''}</body></html>
`;
}

function vmTable(vms: readonly ListedVm[]): string {
  if (vms.length === 0) return '<p>You have no VMs. <code>banger vm run</code> makes one.</p>\n';
  const rows = vms.map(({ name, state, url, ports }) => {
    const links = ports.map(
      (each) =>
        `${link(each.url, String(each.port))}${each.process === undefined ? '' : ` ${escapeHtml(each.process)}`}`,
    );
    const shown = url === undefined ? escapeHtml(name) : link(url, name);
    return `<tr><td>${shown}</td><td>${escapeHtml(state)}</td><td>${links.join('<br>')}</td></tr>\n`;
  });
  return `<table>\n<tr><th>VM</th><th>state</th><th>ports</th></tr>\n${rows.join('')}</table>\n`;
}

function link(url: string, text: string): string {
  return `<a href="${escapeHtml(url)}">${escapeHtml(text)}</a>`;
}

function plain({ title, text, vms = [] }: PageContent): string {
  const lines = vms.map(({ name, state, url, ports }) =>
    [name, state, url ?? '', ...ports.map((each) => each.url)].join('  ').trimEnd(),
  );
  return [title, ...text, ...lines, ''].join('\n');
}

/** `text` as it is safe in HTML, between tags and in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { before, describe, test } from 'node:test';
import { type Project, readProject } from '../../scripts/check/project.ts';
import { CATALOG, COMMANDS } from '../../src/cli/commands.ts';

const ROOT = join(import.meta.dirname, '..', '..');

describe('the documents', () => {
  let project: Project;

  before(async () => {
    project = await readProject(ROOT);
  });

  const documents = (): [string, string][] => [...project.texts].filter(([path]) => path.endsWith('.md'));
  const text = (path: string): string => project.texts.get(path) ?? assert.fail(`there is no ${path}`);

  test('all exist', () => {
    for (const name of ['README', 'ARCHITECTURE', 'CONTRIBUTING', 'SECURITY', 'CHANGELOG'])
      text(`${name}.md`);
    for (const name of ['cli', 'configuration', 'errors', 'lifecycle', 'performance', 'troubleshooting']) {
      text(`docs/${name}.md`);
    }
    text('LICENSE');
  });

  test('link to files and headings that exist', () => {
    const broken: string[] = [];
    for (const [path, content] of documents()) {
      for (const [, target = ''] of content.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const linked = file === '' ? path : posix.normalize(posix.join(dirname(path), file));
        const isThere = existsSync(join(ROOT, linked));
        if (!isThere || (anchor && !anchorsOf(text(linked)).includes(anchor))) {
          broken.push(`${path}: ${target}`);
        }
      }
    }
    assert.deepEqual(broken, []);
  });

  test('name files of the project that exist', () => {
    const missing: string[] = [];
    for (const [path, content] of documents()) {
      if (path === 'CHANGELOG.md') continue;
      for (const [, name = ''] of content.matchAll(
        /`((?:src|scripts|test|bench|agent|docs|bin)\/[\w./-]+)`/g,
      )) {
        if (!existsSync(join(ROOT, name))) missing.push(`${path}: ${name}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  test('name files of the layers that exist, without src/ before them', () => {
    const layers = '(?:adapters|base|cli|config|core|daemon|protocol|sdk)';
    const isThere = (name: string): boolean => existsSync(join(ROOT, 'src', name));
    const missing: string[] = [];
    let count = 0;
    for (const [, name = ''] of text('ARCHITECTURE.md').matchAll(
      new RegExp(`\`(${layers}/[\\w./-]+)\``, 'g'),
    )) {
      count++;
      if (!isThere(name)) missing.push(name);
    }
    assert.ok(count > 50, `only ${count} names were found`);
    assert.deepEqual(missing, []);
  });

  test('name npm scripts and commands that exist', () => {
    const manifest: { scripts: Record<string, string> } = JSON.parse(text('package.json'));
    const commands = [
      ...COMMANDS.map(({ path }) => path.join(' ')),
      ...CATALOG.shortForms.map(({ words }) => words.join(' ')),
    ];
    const groups = new Set(commands.map((command) => command.split(' ')[0]));
    const unknown: string[] = [];
    for (const [path, content] of documents()) {
      for (const [, script = ''] of content.matchAll(/npm run ([a-z]+(?:-[a-z]+)*)/g)) {
        if (!(script in manifest.scripts)) unknown.push(`${path}: npm run ${script}`);
      }
      for (const [, first = '', second] of content.matchAll(
        /(?:^|[`$ ])(?:bin\/)?banger ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?\b/gm,
      )) {
        const isKnown =
          commands.includes(first) ||
          commands.some((name) => `${name} `.startsWith(`${first} ${second ?? ''} `));
        if (!isKnown && groups.has(first) && second) unknown.push(`${path}: banger ${first} ${second}`);
      }
    }
    assert.deepEqual(unknown, []);
  });

  test('explain every key of the config file and every variable that is read', () => {
    const configuration = text('docs/configuration.md');
    const keys = [
      ...text('src/config/config-file.ts').matchAll(/^ {2}'?([a-z_.]+)'?: [a-zA-Z]+(?:\(.*\))?,$/gm),
    ];
    assert.ok(keys.length >= 6, 'the keys were found in the source');
    const sources = text('src/config/settings.ts') + text('src/config/load-settings.ts');
    const variables = [...sources.matchAll(/'((?:XDG|BANGER|NO)_[A-Z_]+)'/g)];
    assert.ok(variables.length >= 6, 'the variables were found in the source');
    for (const [, name = ''] of [...keys, ...variables]) {
      assert.ok(configuration.includes(`\`${name}\``), `docs/configuration.md explains ${name}`);
    }
  });

  test('have a changelog that begins with unreleased changes', () => {
    const headings = [...text('CHANGELOG.md').matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    assert.equal(headings[0], '[Unreleased]');
    for (const heading of headings.slice(1))
      assert.match(heading ?? '', /^\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$/);
    const kinds = [...text('CHANGELOG.md').matchAll(/^### (.*)$/gm)].map(([, kind]) => kind ?? '');
    for (const kind of kinds) assert.match(kind, /^(Added|Changed|Deprecated|Removed|Fixed|Security)$/);
  });
});

/** The anchors of a document's headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

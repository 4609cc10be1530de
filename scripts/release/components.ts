import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';

/** Something of others that is inside a release. */
export interface Component {
  name: string;
  version: string;
  /** package URL (ECMA-427) */
  purl: string;
  /** text of its licence files */
  licence: string;
}

const LICENCE_FILE = /^(licen[cs]e|copying|copyright|notice|patents)/i;

/** The npm packages of the checkout at `root` with these names. */
export async function npmComponents(root: string, names: readonly string[]): Promise<Component[]> {
  return await Promise.all(
    names.map(async (name) => {
      const folder = join(root, 'node_modules', name);
      const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
        version: string;
      };
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      return { name, version, purl, licence: await licenceOf(name, folder) };
    }),
  );
}

/** Go's standard library, and the Go modules that the programs of `agent/`, `host/` and `root/` contain. */
export async function goComponents(root: string, { signal }: Abortable): Promise<Component[]> {
  const format = '{{with .Module}}{{if .Version}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}';
  const lines = new Set<string>();
  for (const module of ['agent', 'host', 'root']) {
    const cwd = join(root, module);
    const { stdout } = await exec(['go', 'list', '-deps', '-f', format, './...'], {
      signal,
      cwd,
      env: { ...process.env, CGO_ENABLED: '0', GOOS: 'linux' },
    });
    for (const line of stdout.toString('utf8').split('\n')) if (line !== '') lines.add(line);
  }
  const modules = [...lines].sort().map(async (line) => {
    const [name = '', version = '', ...folder] = line.split(' ');
    const purl = `pkg:golang/${name}@${version}`;
    return { name, version, purl, licence: await licenceOf(name, folder.join(' ')) };
  });
  return [await goItself({ signal }), ...(await Promise.all(modules))];
}

async function goItself({ signal }: Abortable): Promise<Component> {
  const { stdout } = await exec(['go', 'env', 'GOVERSION', 'GOROOT'], { signal });
  const [release = '', root = ''] = stdout.toString('utf8').trim().split('\n');
  const version = release.replace(/^go/, '');
  // Distributions keep the licence of their Go elsewhere; it is the same text.
  const licence = await licenceOf('Go', root).catch(() => licenceOf('Go', '/usr/share/doc/golang-go'));
  return { name: 'stdlib', version, purl: `pkg:golang/stdlib@${version}`, licence };
}

async function licenceOf(name: string, folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((file) => LICENCE_FILE.test(file)).sort();
  if (names.length === 0) throw new Error(`${name} has no licence file in ${folder}`);
  const texts = await Promise.all(names.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.map((text) => `${text.trim()}\n`).join('\n');
}

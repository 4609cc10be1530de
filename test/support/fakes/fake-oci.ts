import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What `banger-host oci` does, without registries and layers: an image has one layer of its own and one that
 * all images share. The files `fail` and `wait` beside it make it fail with their content, or wait until they
 * are gone; `version` is part of every image's own layer.
 */
const PROGRAM = `
const { createHash } = require('node:crypto');
const { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const [noun, verb, ...words] = process.argv.slice(2);
const dir = __dirname;
const option = (name) => words[words.indexOf('--' + name) + 1];
const print = (value) => console.log(JSON.stringify(value));
const digestOf = (text) => 'sha256:' + createHash('sha256').update(text).digest('hex');
const textOf = (name) => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : '');
const blob = (text) => {
  const digest = digestOf(text);
  const folder = join(option('store'), 'blobs', 'sha256');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, digest.slice(7)), text);
  return digest;
};
const image = (what) => {
  const layers = [blob('shared layer'), blob('layer of ' + what + textOf('version'))];
  const config = { env: ['PATH=/opt/bin:/bin'], cmd: ['serve'], user: 'app', workingDir: '/srv', labels: { a: 'b' } };
  const configDigest = blob(JSON.stringify({ config, what, version: textOf('version') }));
  const manifestDigest = blob(JSON.stringify({ layers, configDigest }));
  print({ progress: { layers: 2, layersDone: 2, bytes: 20, bytesDone: 20 } });
  const sized = layers.map((digest) => ({ digest, sizeBytes: 12 }));
  print({ image: { reference: what, manifestDigest, configDigest, platform: option('platform'), layers: sized, config } });
};
const run = () => {
  if (existsSync(join(dir, 'wait'))) return void setTimeout(run, 10);
  const failure = textOf('fail');
  if (failure !== '') {
    print({ error: JSON.parse(failure) });
    process.exit(1);
  }
  if (verb === 'pull') image(option('ref'));
  if (verb === 'import') image(option('from'));
  if (verb === 'rootfs') {
    writeFileSync(option('out'), 'root file system of ' + option('manifest'), { flag: 'wx' });
    truncateSync(option('out'), 2 ** 20);
    print({ rootfs: { sizeBytes: 2 ** 20, entries: 3, unpackedBytes: 9, leftOut: ['dev/console: a device node'] } });
  }
  process.exit(0);
};
appendFileSync(join(dir, 'runs'), [noun, verb, ...words].join(' ') + '\\n');
process.stdin.on('end', () => process.exit(3)).resume();
run();
`;

/** A stand-in for the program `banger-host`. */
export interface FakeOci {
  /** path of the program */
  hostTools: string;
  /** beside the files `fail`, `wait` and `version` */
  dir: string;
  /** the words of every run, in order */
  runs(): Promise<string[]>;
}

/** Writes the program into a folder of its own in `dir`. */
export async function fakeOci(dir: string): Promise<FakeOci> {
  const folder = join(dir, 'oci');
  await mkdir(folder);
  const hostTools = join(folder, 'banger-host.cjs');
  await writeFile(hostTools, `#!${process.execPath}\n${PROGRAM}`);
  await chmod(hostTools, 0o755);
  await writeFile(join(folder, 'runs'), '');
  return {
    hostTools,
    dir: folder,
    runs: async () => (await readFile(join(folder, 'runs'), 'utf8')).split('\n').filter(Boolean),
  };
}

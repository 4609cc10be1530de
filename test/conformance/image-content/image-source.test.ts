import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileSource } from '../../../src/adapters/image/file-source.ts';
import { ArchiveSource } from '../../../src/adapters/image/oci/archive-source.ts';
import { RegistrySource } from '../../../src/adapters/image/oci/registry-source.ts';
import type { ImageOrigin } from '../../../src/core/ports/images/image-origin.ts';
import type { ImageContent, ImageSource } from '../../../src/core/ports/images/image-source.ts';
import { openRegistry } from '../../e2e/support/registry.ts';
import { makeImageOf } from '../../helpers/read-image.ts';
import { openOciBench } from './benches.ts';
import { describeImageSource } from './image-source-suite.ts';

/** The suite gives each source origins of its own kind only. */
function ofItsKind(source: {
  fetch: (origin: never, options: never) => Promise<ImageContent>;
}): ImageSource<ImageOrigin, ImageContent> {
  return source as unknown as ImageSource<ImageOrigin, ImageContent>;
}

describeImageSource('a folder, by banger-host,', async (dir) => {
  const { program, blobs, tree } = await openOciBench('banger-host', dir);
  return {
    source: ofItsKind(new ArchiveSource(program)),
    origin: { kind: 'archive', format: 'dir', path: await tree('one') },
    missing: {
      origin: { kind: 'archive', format: 'dir', path: join(dir, 'none') },
      code: 'IMAGE_ARCHIVE_BAD',
    },
    blobs,
  };
});

describeImageSource('a registry, by banger-host,', async (dir) => {
  const { program, blobs } = await openOciBench('banger-host', dir);
  const registry = await openRegistry();
  // The tests of this file end before their registries: nothing listens for longer than the process lives.
  registry.unref();
  const reference = registry.put('some/image', { tag: '1', config: {}, layers: [Buffer.alloc(1024)] });
  const settings = { mirrors: {}, insecure: [] };
  return {
    source: ofItsKind(new RegistrySource({ ...program, settings })),
    origin: { kind: 'registry', reference },
    missing: {
      origin: { kind: 'registry', reference: `${registry.host}/some/image:none` },
      code: 'REGISTRY_NOT_FOUND',
    },
    blobs,
  };
});

describeImageSource('a registry, by its stand-in,', async (dir) => {
  const { program, blobs } = await openOciBench('its stand-in', dir);
  const settings = { mirrors: {}, insecure: [] };
  const fails = await openOciBench('its stand-in', await subfolder(dir, 'fails'));
  const failure = { code: 'REGISTRY_NOT_FOUND', message: 'no such repository' };
  await writeFile(join(dir, 'fails', 'oci', 'fail'), JSON.stringify(failure));
  const working = new RegistrySource({ ...program, settings });
  const failing = new RegistrySource({ ...fails.program, blobsDir: blobs.dir, settings });
  return {
    source: ofItsKind({
      fetch: async (origin: { reference: string }, options: Parameters<typeof working.fetch>[1]) =>
        await (origin.reference.endsWith(':none') ? failing : working).fetch(origin, options),
    } as never),
    origin: { kind: 'registry', reference: 'localhost:5000/x:1' },
    missing: { origin: { kind: 'registry', reference: 'localhost:5000/x:none' }, code: 'REGISTRY_NOT_FOUND' },
    blobs,
  };
});

describeImageSource('a file of the user', async (dir) => {
  const { blobs, tree } = await openOciBench('its stand-in', dir);
  const path = join(dir, 'own.ext4');
  makeImageOf(await tree('one'), path);
  const bad = join(dir, 'bad.ext4');
  await copyFile(path, bad);
  await writeFile(bad, 'no file system');
  return {
    source: ofItsKind(new FileSource()),
    origin: { kind: 'file', path },
    missing: { origin: { kind: 'file', path: bad }, code: 'IMAGE_FILE_INVALID' },
    blobs,
  };
});

async function subfolder(dir: string, name: string): Promise<string> {
  const path = join(dir, name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path);
  return path;
}

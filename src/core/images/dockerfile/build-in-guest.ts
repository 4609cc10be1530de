import { Readable } from 'node:stream';
import { type Abortable, neverAborts, withDeadline } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../base/tar/write-tar.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { ExecExit, ExecStart } from '../../../protocol/guest.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { BuildContext, BuildFiles, KeptArchive } from '../../ports/images/build-files.ts';
import {
  BASE_DIR,
  buildCommand,
  CLEAN_UP,
  CONTEXT_DIR,
  EXPORT,
  FILES_DIR,
  hasBaseCommand,
  PREPARE,
  RESULT_DIR,
  SECRETS_DIR,
  TAKE_BASE,
  tagCommand,
} from './engine.ts';
import type { BaseImage } from './find-bases.ts';

/** `ms` that a guest gets to remove what a build has left. */
const CLEAN_UP_MS = 30_000;

/** Longest line of the engine that is shown whole, in `bytes`. */
const MAX_LINE_BYTES = 64 * 1024;

/** A secret and its content. */
export interface BuildSecret {
  id: string;
  content: Buffer;
}

/** A build whose parts are all on this host. */
export interface ReadyBuild {
  context: BuildContext;
  bases: readonly BaseImage[];
  secrets: readonly BuildSecret[];
  buildArgs: Readonly<Record<string, string>>;
  target?: string | undefined;
  noCache: boolean;
  maxResultBytes: number;
}

/**
 * Builds in the guest, and keeps the result as an archive on this host. When it returns or throws, nothing
 * of the build is left in the guest but its layers.
 *
 * @throws {AppError} IMAGE_BUILD_FAILED when the engine fails; GUEST_*; what `BuildFiles` throws.
 */
export async function buildInGuest(
  agent: GuestAgent,
  build: ReadyBuild,
  { files, log, ...task }: Task & { files: BuildFiles; log: Logger },
): Promise<KeptArchive> {
  const { report, signal } = task;
  try {
    await must(agent, PREPARE, { signal, what: 'prepare the builder' });
    for (const base of build.bases) await bringBase(agent, base, { files, ...task });
    report({ event: 'progress', stage: 'context', detail: `${build.context.entryCount} files` });
    await agent.putTar(CONTEXT_DIR, build.context.tar({ signal }), { signal });
    const texts = [{ name: 'Dockerfile', content: Buffer.from(build.context.dockerfile) }];
    await agent.putTar(FILES_DIR, tarOf(texts), { signal });
    // The number is its name: an id may be anything.
    const secrets = build.secrets.map(({ content }, at) => ({ name: String(at), content }));
    if (secrets.length > 0) await agent.putTar(SECRETS_DIR, tarOf(secrets), { signal });
    await runEngine(agent, build, task);
    report({ event: 'progress', stage: 'export' });
    await must(agent, EXPORT, { signal, what: 'export the image' });
    const tar = await agent.getTar(RESULT_DIR, { signal });
    return await files.keepArchive(tar, { signal, maxBytes: build.maxResultBytes });
  } finally {
    await cleanUp(agent, log);
  }
}

/** Passes an image that the build begins with on to the engine, unless it has it from an earlier build. */
async function bringBase(
  agent: GuestAgent,
  { image, manifestDigest, tag }: BaseImage,
  { files, report, signal }: Task & { files: BuildFiles },
): Promise<void> {
  const known = await agent.run(hasBaseCommand(manifestDigest), { signal });
  let id = isDone(known.exit) ? known.stdout.toString().trim() : '';
  if (id === '') {
    report({ event: 'progress', stage: 'base', detail: image.name });
    await agent.putTar(BASE_DIR, await files.packLayout(image, { signal }), { signal });
    const taken = await must(agent, TAKE_BASE, { signal, what: `use image "${image.name}"` });
    id = taken.trim().split('\n').at(-1) ?? '';
    await must(agent, { argv: ['rm', '-rf', BASE_DIR], cwd: '/' }, { signal, what: 'remove files' });
  }
  await must(agent, tagCommand(id, manifestDigest, tag), { signal, what: `use image "${image.name}"` });
}

async function runEngine(
  agent: GuestAgent,
  { buildArgs, target, secrets, noCache }: ReadyBuild,
  { report, signal }: Task,
): Promise<void> {
  const command = buildCommand({
    guestDockerfile: `${FILES_DIR}/Dockerfile`,
    buildArgs,
    ...(target === undefined ? {} : { target }),
    secrets: secrets.map(({ id }, at) => ({ id, guestPath: `${SECRETS_DIR}/${at}` })),
    noCache,
  });
  report({ event: 'progress', stage: 'build' });
  const output = new EngineOutput(report);
  const { exit } = await agent.run(command, { signal, onOutput: (chunk) => output.push(chunk) });
  output.end();
  if (isDone(exit)) return;
  throw new AppError('IMAGE_BUILD_FAILED', `Cannot build the Dockerfile: ${howItEnded(exit)}`, {
    hint: 'its last lines say which step failed; a step that downloads something needs --nat',
    details: { exit },
  });
}

/** Reports what the engine prints, line by line. */
class EngineOutput {
  readonly #report: Report;
  #rest = Buffer.alloc(0);

  constructor(report: Report) {
    this.#report = report;
  }

  push(chunk: Buffer): void {
    // A program that shows progress goes back to the start of its line.
    let rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const at = rest.findIndex((byte) => byte === 10 || byte === 13);
      const end = at >= 0 ? at : rest.length > MAX_LINE_BYTES ? MAX_LINE_BYTES : -1;
      if (end < 0) break;
      this.#say(rest.subarray(0, end));
      rest = rest.subarray(at >= 0 ? end + 1 : end);
    }
    this.#rest = Buffer.from(rest);
  }

  end(): void {
    this.#say(this.#rest);
  }

  #say(line: Buffer): void {
    const text = line.toString('utf8');
    if (text.trim() !== '') this.#report({ event: 'output', line: text });
  }
}

/** Runs a command of ours that must succeed; returns what it prints. */
async function must(
  agent: GuestAgent,
  command: ExecStart,
  { signal, what }: Abortable & { what: string },
): Promise<string> {
  const { exit, stdout, stderr } = await agent.run(command, { signal });
  if (isDone(exit)) return stdout.toString();
  const why = stderr.toString().trim().split('\n').at(-1) ?? '';
  throw new AppError('IMAGE_BUILD_FAILED', `Cannot ${what}: ${why === '' ? howItEnded(exit) : why}`, {
    hint: 'clear the cache of builds and try again; the log has details: banger daemon logs',
    details: { exit },
  });
}

/** A guest that does not answer is stopped next, which ends all that runs in it. */
async function cleanUp(agent: GuestAgent, log: Logger): Promise<void> {
  const options = { signal: neverAborts(), deadlineMs: CLEAN_UP_MS, what: 'the builder to remove files' };
  try {
    await withDeadline((signal) => agent.run(CLEAN_UP, { signal }), options);
  } catch (error) {
    log.warn('files of a build are left in the builder', { error });
  }
}

function isDone(exit: ExecExit): boolean {
  return 'code' in exit && exit.code === 0;
}

function howItEnded(exit: ExecExit): string {
  return 'code' in exit ? `the engine ended with status ${exit.code}` : `the engine got ${exit.signal}`;
}

function tarOf(files: readonly { name: string; content: Buffer }[]): Readable {
  const parts = files.flatMap(({ name, content }) => [
    tarHeader({
      kind: 'file',
      name: Buffer.from(name),
      linkName: Buffer.alloc(0),
      mode: 0o600,
      sizeBytes: content.length,
      mtimeMs: 0,
    }),
    content,
    tarPadding(content.length),
  ]);
  return Readable.from([Buffer.concat([...parts, TAR_END])]);
}

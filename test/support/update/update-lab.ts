import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAppError } from '../../../src/base/errors.ts';
import type { ReleaseSource } from '../../../src/cli/update/installation.ts';
import { runUpdate, type UpdateRequest, type UpdateResult } from '../../../src/cli/update/run-update.ts';
import { archiveOf, type FakeBehaviour, type FakeInstall, fakeInstall, fakeRelease } from './fake-release.ts';
import { newKey, openReleaseSite, type ReleaseKey, type ReleaseSite } from './release-site.ts';

/** The installed release, and a newer one. */
export const OLD = 'v0.1.0';
export const NEW = 'v0.2.0';
/** Path of the archive of the newer one on the server. */
export const ARCHIVE = `/${NEW}/banger-${NEW}-linux-amd64.tar.zst`;

/** A fake install, and a server of releases for it. */
export class UpdateLab implements AsyncDisposable {
  readonly key: ReleaseKey;
  readonly site: ReleaseSite;
  readonly install: FakeInstall;
  /** what updates have said */
  readonly said: string[] = [];

  private constructor(key: ReleaseKey, site: ReleaseSite) {
    this.key = key;
    this.site = site;
    this.install = fakeInstall(OLD, this.source);
  }

  static async open(): Promise<UpdateLab> {
    const key = newKey();
    return new UpdateLab(key, await openReleaseSite([key]));
  }

  get source(): ReleaseSource {
    return { manifestUrl: this.site.manifestUrl, keys: [this.key.publicKey], threshold: 1 };
  }

  /** Publishes a fake release. */
  async publish(version = NEW, behaviour: FakeBehaviour = {}): Promise<void> {
    const { stateDir } = this.install;
    const entries = fakeRelease(version, { stateDir, behaviour, source: this.source });
    this.site.publish(version, await archiveOf(version, entries));
  }

  /** Runs an update in this process. */
  update(
    request: Partial<UpdateRequest> = {},
    { signal = new AbortController().signal, programPath = this.install.programPath } = {},
  ): Promise<UpdateResult> {
    return runUpdate(
      { isCheck: false, isDryRun: false, isForced: false, ...request },
      {
        env: { PATH: process.env['PATH'], HOME: this.install.home },
        home: this.install.home,
        programPath,
        step: () => {},
        notice: (text) => void this.said.push(text),
        warn: (text) => void this.said.push(text),
        signal,
      },
    );
  }

  /** Runs an update that must fail. */
  async fails(
    code: string,
    message: RegExp,
    request: Partial<UpdateRequest> = {},
    options: { programPath?: string } = {},
  ): Promise<void> {
    await assert.rejects(this.update(request, options), (error) => {
      assert.ok(isAppError(error, code), String(error));
      assert.match(error.message, message);
      return true;
    });
  }

  /** Sets a part of the state of the fake daemon. */
  set(name: string, text: string): void {
    writeFileSync(join(this.install.stateDir, name), text);
  }

  /** A part of the state of the fake programs. */
  get(name: string): string | undefined {
    const path = join(this.install.stateDir, name);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
  }

  /** Names in the folder of releases. */
  releases(): string[] {
    return readdirSync(this.install.releasesDir)
      .filter((name) => name !== '.update.lock')
      .sort();
  }

  /** What the command leads to. */
  current(): string {
    return readlinkSync(this.install.link);
  }

  /** The command of a release. */
  commandOf(version: string): string {
    return join(this.install.releasesDir, version, 'bin/banger');
  }

  /** The old release is the current one, no daemon of the new one runs, and nothing else is there. */
  assertOld(): void {
    assert.equal(this.current(), this.commandOf(OLD));
    assert.deepEqual(this.releases(), [OLD]);
    assert.notEqual(this.get('daemon'), NEW);
  }

  assertNew(): void {
    assert.equal(this.current(), this.commandOf(NEW));
    assert.deepEqual(this.releases(), [OLD, NEW], 'the previous release is kept');
    assert.equal(this.get('daemon'), NEW);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
    this.install[Symbol.dispose]();
  }
}

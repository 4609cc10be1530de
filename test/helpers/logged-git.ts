import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scratch } from './scratch-repository.ts';

/** The git commands that the source of a scratch folder runs, by their first word: `ls-files`, `diff`. */
export interface LoggedGit {
  /** those since the last call, as they were given, without options of git itself */
  taken(): string[];
}

/** Puts a git before the real one that notes each call. */
export function logGit(scratch: Scratch): LoggedGit {
  const folder = join(scratch.dir, 'logged-git');
  const log = join(folder, 'log');
  const real = spawnSync('sh', ['-c', 'command -v git']).stdout.toString().trim();
  mkdirSync(folder, { recursive: true });
  // One write a call, because several run at once.
  const lines = ['#!/bin/sh', `printf '%s\\n' "$*" >>'${log}'`, `exec '${real}' "$@"`];
  writeFileSync(join(folder, 'git'), `${lines.join('\n')}\n`);
  chmodSync(join(folder, 'git'), 0o755);
  scratch.env['PATH'] = `${folder}:${scratch.env['PATH']}`;
  const read = (): string => {
    writeFileSync(log, '', { flag: 'a' });
    const text = readFileSync(log, 'utf8');
    rmSync(log);
    return text;
  };
  return {
    taken: () =>
      read()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.replace(/^(-C \S+ )?(-c \S+ )*/, '')),
  };
}

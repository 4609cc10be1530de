import type { ProgressStep } from '../../../protocol/events.ts';

/** Share of a step's packages between two events. */
const EVENT_SHARE = 0.05;

/**
 * Derives progress from the output of mmdebstrap, apt and dpkg, in the stages `resolve`, `download` and
 * `install`. An apt run announces its packages ("12 newly installed"), downloads them ("Get:3 ..."), and
 * unpacks and configures each.
 */
export class BuildProgress {
  readonly #report: (step: ProgressStep) => void;
  #total = 0;
  #fetched = 0;
  #unpacked = 0;
  #configured = 0;
  #last = '';

  constructor(report: (step: ProgressStep) => void) {
    this.#report = report;
  }

  /** Takes one line without its newline; ignores lines without meaning here. */
  push(line: string): void {
    if (line.startsWith('I: running apt-get update')) this.#tell('resolve', 'package lists');
    else if (line.startsWith('I: running --customize-hook')) this.#tell('install', 'kernel and services');
    else if (line.startsWith('Get:')) {
      this.#fetched += 1;
      this.#count('download', this.#fetched);
    } else if (line.startsWith('Unpacking ')) {
      this.#unpacked += 1;
      this.#countInstalled();
    } else if (line.startsWith('Setting up ')) {
      this.#configured += 1;
      this.#countInstalled();
    } else this.#readAnnouncement(line);
  }

  #readAnnouncement(line: string): void {
    const match = /^\d+ upgraded, (\d+) newly installed,/.exec(line);
    if (!match) return;
    this.#total = Number(match[1]);
    this.#fetched = 0;
    this.#unpacked = 0;
    this.#configured = 0;
  }

  #countInstalled(): void {
    // Debian's core packages are unpacked twice, the second time for their configuration.
    this.#count('install', (Math.min(this.#unpacked, this.#total) + this.#configured) / 2);
  }

  #count(stage: string, done: number): void {
    if (this.#total === 0) return;
    const marks = Math.floor(Math.min(1, done / this.#total) / EVENT_SHARE);
    const shown = Math.min(this.#total, Math.round(marks * EVENT_SHARE * this.#total));
    this.#tell(stage, `${shown} of ${this.#total} packages`);
  }

  #tell(stage: string, detail: string): void {
    const event = `${stage} ${detail}`;
    if (event === this.#last) return;
    this.#last = event;
    this.#report({ event: 'progress', stage, detail });
  }
}

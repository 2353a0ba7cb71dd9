/**
 * A download as lines of text.
 * @module
 */

import { formatBytes, formatPlural, formatSeconds, formatTimeLeft } from '../report/format.js';
import type { ProgressEvent } from './progress/progress.js';

/** How far a download is told at most this often. */
const INTERVAL_MS = 3000;

type Event<Kind extends ProgressEvent['kind']> = Extract<ProgressEvent, { kind: Kind }>;

/** Makes lines of downloads that come one after the other: of their beginning, of how far they are, and of their end. */
export class DownloadLines {
  /** When there was a line of the download that is under way. */
  #last: number | undefined;

  /** @param now milliseconds of a clock that never goes back */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @returns the line, or undefined where there is nothing to say yet */
  line(event: Event<'download'> | Event<'download-end'>): string | undefined {
    if (event.kind === 'download-end') {
      this.#last = undefined;
      return `fetch ${event.model}: done, ${downloadFigures(event)}`;
    }
    const { model, files, bytes, bytesDone } = event;
    if (this.#last === undefined) {
      this.#last = this.now();
      return `fetch ${model}: ${formatPlural(files, 'file')}, ${formatBytes(bytes)}`;
    }
    if (this.now() - this.#last < INTERVAL_MS || bytesDone >= bytes) return undefined;
    this.#last = this.now();
    return `fetch ${model}: ${downloadedSoFar(event)}`;
  }
}

/** `7 files, 269 MB, 12.3 s` */
export function downloadFigures({ files, received, seconds }: Event<'download-end'>): string {
  return `${formatPlural(files, 'file')}, ${formatBytes(received)}, ${formatSeconds(seconds)}`;
}

function downloadedSoFar({ bytes, bytesDone, bytesPerSecond, etaSeconds }: Event<'download'>): string {
  return [
    `${formatBytes(bytesDone)} of ${formatBytes(bytes)}`,
    ...(bytesPerSecond === undefined ? [] : [`${formatBytes(bytesPerSecond)}/s`]),
    ...(etaSeconds === undefined ? [] : [`${formatTimeLeft(etaSeconds)} left`]),
  ].join(', ');
}

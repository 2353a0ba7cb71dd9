/**
 * What a finished download comes to, in a few words.
 * @module
 */
import type { ProgressEvent } from '../../pipeline/progress.js';
import { formatBytes, formatPlural, formatSeconds } from '../../report/format.js';

/** `7 files, 269 MB, 12.3 s` */
export function downloadFigures({
  files,
  received,
  seconds,
}: Extract<ProgressEvent, { kind: 'download-end' }>): string {
  return `${formatPlural(files, 'file')}, ${formatBytes(received)}, ${formatSeconds(seconds)}`;
}

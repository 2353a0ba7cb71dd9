/**
 * Progress as log lines, for files and pipes.
 * @module
 */

import { DownloadLines } from '../../pipeline/download-lines.js';
import type { ProgressEvent, ProgressListener } from '../../pipeline/progress/progress.js';
import {
  formatCount,
  formatPercent,
  formatPlural,
  formatSeconds,
  formatSmall,
  formatTimeLeft,
} from '../../report/format.js';
import type { OutputStream } from '../cli-context.js';
import type { ProgressDisplay } from './progress-display.js';

/** Finished blocks are reported at most this often. */
const BLOCK_INTERVAL_MS = 3000;
/** Within a long block, a sign of life this often. */
const STEP_INTERVAL_MS = 20_000;

type Event<Kind extends ProgressEvent['kind']> = Extract<ProgressEvent, { kind: Kind }>;

/** One line for each stage's start and end, and for blocks and long phases in between, rate-limited. */
export class ProgressLines implements ProgressDisplay {
  #lastLine = Number.NEGATIVE_INFINITY;
  /** Of the current stage. */
  #latestStep: Event<'step'> | undefined;
  readonly #downloads: DownloadLines;

  /** @param now milliseconds of a clock that never goes back */
  constructor(
    private readonly stream: OutputStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#downloads = new DownloadLines(now);
  }

  readonly listener: ProgressListener = (event) => {
    switch (event.kind) {
      case 'stage':
        this.#latestStep = undefined;
        this.#lastLine = Number.NEGATIVE_INFINITY;
        this.message(`${event.stage}: ${formatPlural(event.blocks, 'block')}`);
        break;
      case 'step':
        this.#latestStep = event;
        if (this.now() - this.#lastLine >= STEP_INTERVAL_MS && this.#lastLine > Number.NEGATIVE_INFINITY) {
          this.#report(event, [
            `${event.phase} ${formatPercent(event.total === 0 ? 1 : event.done / event.total, 0)}`,
          ]);
        } else if (this.#lastLine === Number.NEGATIVE_INFINITY) {
          // The clock for signs of life starts with the stage's first step.
          this.#lastLine = this.now() - BLOCK_INTERVAL_MS;
        }
        break;
      case 'block':
        if (this.now() - this.#lastLine >= BLOCK_INTERVAL_MS && event.blocksDone < event.blocks) {
          this.#report(event, blockFigures(event));
        }
        break;
      case 'stage-end':
        this.message(`${event.stage}: done in ${formatSeconds(event.seconds)}`);
        break;
      case 'download':
      case 'download-end': {
        const line = this.#downloads.line(event);
        if (line !== undefined) this.message(line);
        break;
      }
      case 'note':
        this.message(`note: ${event.message}`);
        break;
    }
  };

  message(text: string): void {
    this.stream.write(`${text}\n`);
  }

  close(): void {}

  #report({ stage, blocksDone, blocks }: Event<'step' | 'block'>, figures: readonly string[]): void {
    this.#lastLine = this.now();
    const { tokensPerSecond, etaSeconds } = this.#latestStep ?? {};
    const parts = [
      ...figures,
      ...(tokensPerSecond === undefined ? [] : [`${formatCount(tokensPerSecond)} tokens/s`]),
      ...(etaSeconds === undefined ? [] : [`${formatTimeLeft(etaSeconds)} left`]),
    ];
    this.message(`${stage}: ${blocksDone}/${blocks} blocks, ${parts.join(', ')}`.replace(/, $/, ''));
  }
}

function blockFigures({ sparsity, outputError, seconds }: Event<'block'>): string[] {
  return [
    ...(sparsity === undefined || sparsity === 0 ? [] : [`sparsity ${formatPercent(sparsity)}`]),
    ...(outputError === undefined ? [] : [`output error ${formatSmall(outputError)}`]),
    `last block ${formatSeconds(seconds)}`,
  ];
}

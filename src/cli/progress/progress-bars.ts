/**
 * Progress as bars on a terminal: blocks of the stage, and the phase at work within the block; before, a download.
 * @module
 */
import { MultiBar, type SingleBar } from 'cli-progress';
import { downloadFigures } from '../../pipeline/download-lines.js';
import type { ProgressEvent, ProgressListener } from '../../pipeline/progress/progress.js';
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatPlural,
  formatSeconds,
  formatTimeLeft,
} from '../../report/format.js';
import type { OutputStream } from '../cli-context.js';
import type { Colours } from '../colours.js';
import type { ProgressDisplay } from './progress-display.js';
import { barColumns, type ProgressLineContent, progressLine } from './progress-line.js';

/** Redraws a second; events in between only change what the next one shows. */
const FRAMES_PER_SECOND = 8;

type Download = Extract<ProgressEvent, { kind: 'download' }>;

interface StageState {
  readonly stage: string;
  readonly blocks: number;
  blocksDone: number;
  step?: Extract<ProgressEvent, { kind: 'step' }>;
}

/** Draws in place below the lines already printed, and leaves one line per finished stage. */
export class ProgressBars implements ProgressDisplay {
  #state: StageState | undefined;
  #download: Download | undefined;
  #drawn: { multi: MultiBar; bars: readonly SingleBar[] } | undefined;

  constructor(
    private readonly stream: OutputStream,
    private readonly colours: Colours,
  ) {}

  readonly listener: ProgressListener = (event) => {
    switch (event.kind) {
      case 'stage':
        this.#erase();
        this.#download = undefined;
        this.#state = { stage: event.stage, blocks: event.blocks, blocksDone: 0 };
        this.#draw();
        break;
      case 'step':
        if (!this.#state) break;
        this.#state.step = event;
        this.#state.blocksDone = event.blocksDone;
        break;
      case 'block':
        if (this.#state) this.#state.blocksDone = event.blocksDone;
        break;
      case 'stage-end': {
        const blocks = this.#state?.blocks;
        this.#erase();
        this.#state = undefined;
        const detail = `${blocks === undefined ? '' : `${formatPlural(blocks, 'block')}, `}${formatSeconds(event.seconds)}`;
        this.stream.write(`${this.colours.green('✓')} ${event.stage}  ${this.colours.dim(detail)}\n`);
        break;
      }
      case 'download': {
        const drawn = this.#download !== undefined;
        this.#download = event;
        if (!drawn) this.#draw();
        break;
      }
      case 'download-end':
        this.#erase();
        this.#download = undefined;
        this.stream.write(
          `${this.colours.green('✓')} fetch ${event.model}  ${this.colours.dim(downloadFigures(event))}\n`,
        );
        break;
      case 'note':
        this.message(`${this.colours.yellow('note:')} ${event.message}`);
        break;
    }
  };

  message(text: string): void {
    this.#erase();
    this.stream.write(`${text}\n`);
    this.#draw();
  }

  close(): void {
    this.#erase();
    this.#state = undefined;
    this.#download = undefined;
  }

  #draw(): void {
    const state = this.#state;
    const lines = state
      ? [(width: number) => this.#stageLine(state, width), (width: number) => this.#phaseLine(state, width)]
      : this.#download
        ? [(width: number) => this.#downloadLine(width)]
        : [];
    if (lines.length === 0) return;
    const multi = new MultiBar({
      stream: this.stream,
      fps: FRAMES_PER_SECOND,
      hideCursor: true,
      clearOnComplete: true,
      // Lines are cut to the width here; the library would count colour sequences as columns.
      linewrap: false,
      gracefulExit: false,
    });
    const create = (format: (width: number) => string) =>
      multi.create(1, 0, {}, { format: (_options, params) => format(params.maxWidth - 1) });
    // The library draws in turn what it has created.
    const bars = lines.map(create);
    multi.update();
    this.#drawn = { multi, bars };
  }

  #erase(): void {
    this.#drawn?.multi.stop();
    this.#drawn = undefined;
  }

  #stageLine(state: StageState, width: number): string {
    return progressLine(stageContent(state), width, { ...this.colours, label: this.colours.bold });
  }

  #downloadLine(width: number): string {
    const event = this.#download;
    if (!event) return '';
    const content = {
      label: 'fetch',
      fraction: event.bytes === 0 ? 0 : event.bytesDone / event.bytes,
      figures: [
        `${formatBytes(event.bytesDone)} of ${formatBytes(event.bytes)}`,
        ...(event.etaSeconds === undefined ? [] : [`${formatTimeLeft(event.etaSeconds)} left`]),
        ...(event.bytesPerSecond === undefined ? [] : [`${formatBytes(event.bytesPerSecond)}/s`]),
      ],
    };
    return progressLine(content, width, { ...this.colours, label: this.colours.bold });
  }

  #phaseLine(state: StageState, width: number): string {
    if (!state.step) return '';
    const { phase, done, total } = state.step;
    const fraction = total === 0 ? 1 : done / total;
    const content = { label: `  ${phase}`, fraction, figures: [formatPercent(fraction, 0)] };
    const colours = { ...this.colours, label: this.colours.dim };
    return progressLine(content, width, colours, barColumns(stageContent(state), width));
  }
}

function stageContent({ stage, blocks, blocksDone, step }: StageState): ProgressLineContent {
  return {
    label: stage,
    fraction: blocks === 0 ? 0 : blocksDone / blocks,
    figures: [
      `${blocksDone}/${blocks} blocks`,
      ...(step?.etaSeconds === undefined ? [] : [`${formatTimeLeft(step.etaSeconds)} left`]),
      ...(step?.tokensPerSecond === undefined ? [] : [`${formatCount(step.tokensPerSecond)} tokens/s`]),
    ],
  };
}

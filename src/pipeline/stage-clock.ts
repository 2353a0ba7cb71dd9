/**
 * Where the wall time of a run goes, and what to tell while it does.
 * @module
 */
import type { Phase, ProgressListener, Stage } from './progress.js';

export interface PhaseSeconds {
  readonly stage: Stage;
  readonly phase: Phase;
  readonly seconds: number;
}

/** Measures one stage over its blocks. */
export class StageClock {
  readonly #stage: Stage;
  readonly #blocks: number;
  readonly #tokens: number;
  readonly #listener: ProgressListener;
  readonly #started = performance.now();
  readonly #seconds = new Map<Phase, number>();
  #blocksDone = 0;
  /** Blocks that didn't count for the estimate because an earlier run had done them. */
  #skipped = 0;

  /** @param tokens that go through each block; 0 where none do */
  constructor(stage: Stage, blocks: number, tokens: number, listener: ProgressListener) {
    this.#stage = stage;
    this.#blocks = blocks;
    this.#tokens = tokens;
    this.#listener = listener;
    listener({ kind: 'stage', stage, blocks });
  }

  /** Runs `work` and adds its wall time to a phase. */
  async time<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.add(phase, (performance.now() - started) / 1000);
    }
  }

  add(phase: Phase, seconds: number): void {
    this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + seconds);
  }

  step(phase: Phase, block: number, done: number, total: number): void {
    const measured = this.#blocksDone - this.#skipped;
    const rate =
      measured > 0
        ? {
            tokensPerSecond: (measured * this.#tokens) / this.seconds,
            etaSeconds: (this.seconds / measured) * (this.#blocks - this.#blocksDone),
          }
        : {};
    this.#listener({
      kind: 'step',
      stage: this.#stage,
      phase,
      block,
      blocks: this.#blocks,
      done,
      total,
      ...(this.#tokens > 0 ? rate : {}),
    });
  }

  block(block: number, seconds: number, result: { sparsity?: number; outputError?: number } = {}): void {
    this.#blocksDone++;
    this.#listener({ kind: 'block', stage: this.#stage, block, blocks: this.#blocks, seconds, ...result });
  }

  /** A block that an earlier run had finished. */
  skip(): void {
    this.#blocksDone++;
    this.#skipped++;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Ends the stage and returns its phases. */
  end(): PhaseSeconds[] {
    this.#listener({ kind: 'stage-end', stage: this.#stage, seconds: this.seconds });
    return [...this.#seconds].map(([phase, seconds]) => ({ stage: this.#stage, phase, seconds }));
  }
}

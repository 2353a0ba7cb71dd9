/**
 * Where the wall time of a run goes, and what to tell while it does.
 * @module
 */
import { type PhaseSeconds, PhaseTimer } from './phase-timer.js';
import type { Phase, ProgressListener, Stage } from './progress.js';

/** Measures one stage over its blocks. */
export class StageClock {
  readonly #stage: Stage;
  readonly #blocks: number;
  readonly #tokens: number;
  readonly #listener: ProgressListener;
  readonly #started = performance.now();
  readonly #timer: PhaseTimer;
  #lapStarted = 0;
  #blocksDone = 0;
  /** Blocks that didn't count for the estimate because an earlier run had done them. */
  #skipped = 0;

  /** @param tokens that go through each block; 0 where none do */
  constructor(stage: Stage, blocks: number, tokens: number, listener: ProgressListener) {
    this.#stage = stage;
    this.#timer = new PhaseTimer(stage);
    this.#blocks = blocks;
    this.#tokens = tokens;
    this.#listener = listener;
    listener({ kind: 'stage', stage, blocks });
  }

  /** Runs `work` and adds its wall time to a phase. */
  async time<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    return await this.#timer.time(phase, work);
  }

  add(phase: Phase, seconds: number): void {
    this.#timer.add(phase, seconds);
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
      blocksDone: this.#blocksDone,
      done,
      total,
      ...(this.#tokens > 0 ? rate : {}),
    });
  }

  block(block: number, seconds: number, result: { sparsity?: number; outputError?: number } = {}): void {
    this.#blocksDone++;
    this.#listener({
      kind: 'block',
      stage: this.#stage,
      block,
      blocks: this.#blocks,
      blocksDone: this.#blocksDone,
      seconds,
      ...result,
    });
  }

  /** All blocks before this one are done, of which nothing else was told. */
  reach(block: number): void {
    this.#blocksDone = Math.max(this.#blocksDone, block);
  }

  /** A block that an earlier run had finished. */
  skip(): void {
    this.#blocksDone++;
    this.#skipped++;
  }

  /** Seconds since the last lap, or since the stage began. */
  lap(): number {
    const { seconds } = this;
    const lap = seconds - this.#lapStarted;
    this.#lapStarted = seconds;
    return lap;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Ends the stage and returns its phases, which add up to its wall time. */
  end(): PhaseSeconds[] {
    const { seconds } = this;
    this.#timer.add('other', Math.max(0, seconds - this.#timer.seconds));
    this.#listener({ kind: 'stage-end', stage: this.#stage, seconds });
    return this.#timer.phases();
  }
}

/**
 * Where the wall time of one stage of a run goes.
 * @module
 */
import type { ReportPhase, ReportStage } from './progress.js';

export interface PhaseSeconds {
  readonly stage: ReportStage;
  readonly phase: ReportPhase;
  readonly seconds: number;
}

/** A stage's seconds by phase. The phases of a stage don't overlap. */
export class PhaseTimer {
  readonly #stage: ReportStage;
  readonly #seconds = new Map<ReportPhase, number>();
  #lapStarted = performance.now();

  constructor(stage: ReportStage) {
    this.#stage = stage;
  }

  /** All the time since the last lap, or since the timer was made, was this phase. */
  lap(phase: ReportPhase): void {
    const now = performance.now();
    this.add(phase, (now - this.#lapStarted) / 1000);
    this.#lapStarted = now;
  }

  /** Begins a lap; what was since the last one counts elsewhere. */
  restart(): void {
    this.#lapStarted = performance.now();
  }

  /** Runs `work` and adds its wall time to a phase. */
  async time<T>(phase: ReportPhase, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.add(phase, (performance.now() - started) / 1000);
    }
  }

  /** Adds seconds that were measured otherwise. */
  add(phase: ReportPhase, seconds: number): void {
    this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + seconds);
  }

  /** Of all phases so far. */
  get seconds(): number {
    return [...this.#seconds.values()].reduce((sum, seconds) => sum + seconds, 0);
  }

  /** In the order in which they first happened. */
  phases(): PhaseSeconds[] {
    return [...this.#seconds].map(([phase, seconds]) => ({ stage: this.#stage, phase, seconds }));
  }
}

/**
 * Where the moments of the dense model's gradients lie while a run prunes by them.
 * @module
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { publishFile, syncFile } from '../../checkpoint/atomic-file.js';
import type { FiledMatrix, GradientMoment } from '../../statistics/gradient-moments.js';
import { releaseFile } from '../../system/release-file.js';
import { fingerprint } from '../prepare/fingerprint.js';
import type { LayerPlan } from '../prepare/layer-plan.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { makeSizedFile } from './make-sized-file.js';

/** Bytes of the moments of all linears that are pruned. */
export function gradientFileBytes({ gradients, layers }: PreparedRun): number {
  const bytes = layers.reduce((sum, layer) => sum + matrixBytes(layer), 0);
  return bytes * (gradients?.moments.length ?? 0);
}

/** In the order of the linears, the moments of each one after the other. It has its name once it is complete. */
export class GradientFile {
  readonly moments: readonly GradientMoment[];
  /** Of what it holds, and where. */
  readonly fingerprint: string;
  /** Tokens that go to experts, by their prefix, where they are too few. */
  readonly starved = new Map<string, number>();
  readonly #path: string;
  readonly #bytes: number;
  readonly #offsets = new Map<string, number>();

  /** @param folder of the run, or one that runs share */
  constructor(folder: string, run: PreparedRun, name = 'gradients.f32') {
    const { gradients, layers } = run;
    this.moments = gradients?.moments ?? [];
    this.#path = join(folder, name);
    this.#bytes = gradientFileBytes(run);
    let offset = 0;
    for (const layer of layers) {
      if (layer.pattern === 'dense') continue;
      this.#offsets.set(layer.name, offset);
      offset += matrixBytes(layer) * this.moments.length;
    }
    this.fingerprint = fingerprint({ gradients, offsets: [...this.#offsets], bytes: this.#bytes });
  }

  /** The moments of a linear, in the order in which the method asks for them. */
  matrices(layer: LayerPlan): FiledMatrix[] {
    return this.#matrices(this.#path, layer);
  }

  /** The same, while the file is being written. */
  unfinished(layer: LayerPlan): FiledMatrix[] {
    return this.#matrices(`${this.#path}.tmp`, layer);
  }

  /** Takes over the experts that get too few tokens, as whoever filled the file found them. */
  starve(experts: Readonly<Record<string, number>>): void {
    for (const [prefix, tokens] of Object.entries(experts)) this.starved.set(prefix, tokens);
  }

  get isComplete(): boolean {
    return existsSync(this.#path) && statSync(this.#path).size === this.#bytes;
  }

  /** @throws RequestError or RunError naming the file when it can't be made */
  create(): void {
    makeSizedFile(`${this.#path}.tmp`, this.#bytes);
  }

  /** Puts what was written on the disk, and gives the file its name. */
  async publish(): Promise<void> {
    await syncFile(`${this.#path}.tmp`);
    await publishFile(`${this.#path}.tmp`, this.#path);
  }

  /** Also what there is of one that isn't complete. */
  remove(): void {
    releaseFile(this.#path);
    releaseFile(`${this.#path}.tmp`);
  }

  #matrices(path: string, layer: LayerPlan): FiledMatrix[] {
    const offset = this.#offsets.get(layer.name) ?? 0;
    return this.moments.map((_, index) => ({ path, offset: offset + index * matrixBytes(layer) }));
  }
}

/** 0 for a linear that stays dense. */
function matrixBytes({ pattern, linear }: LayerPlan): number {
  return pattern === 'dense' ? 0 : linear.out * linear.in * 4;
}

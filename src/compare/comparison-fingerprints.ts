/**
 * What decides the figures of a comparison, of its dense model, and of each of its rows.
 * @module
 */
import { textIdentity } from '../calibration/text-identity.js';
import { tokenizerIdentity } from '../calibration/tokenizer-identity.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { sampleWeights } from '../checkpoint/sample-weights.js';
import type { EvaluationConfig, RunConfig } from '../config/run-schema.js';
import { type FingerprintParts, fingerprint } from '../pipeline/fingerprint.js';
import { version } from '../version.js';
import { rememberingTexts } from './remembering-texts.js';
import { takenOver } from './variant.js';

/**
 * Texts count by what is in them, and the model by its hash, samples of its weights, configuration and tokenizer, wherever
 * they are.
 */
export class ComparisonFingerprints {
  readonly #identify: typeof textIdentity;
  readonly #source: FingerprintParts;
  readonly #evaluation: FingerprintParts;

  private constructor(identify: typeof textIdentity, source: FingerprintParts, evaluation: FingerprintParts) {
    this.#identify = identify;
    this.#source = source;
    this.#evaluation = evaluation;
  }

  /** @throws RequestError when a text or the model can't be read; the signal's reason */
  static async of(
    checkpoint: Checkpoint,
    { data, context, windows }: EvaluationConfig,
    signal: AbortSignal | undefined,
  ) {
    const identify = rememberingTexts((source) => textIdentity(source, signal));
    const source = {
      hash: await checkpoint.hash(),
      config: checkpoint.config,
      weights: sampleWeights(checkpoint),
      tokenizer: tokenizerIdentity(checkpoint),
      version,
    };
    return new ComparisonFingerprints(identify, source, {
      data: await identify(data),
      context,
      windows,
    });
  }

  /** Of the dense model's figures. */
  get dense(): string {
    return fingerprint({ ...this.#source, evaluation: this.#evaluation });
  }

  /** Of what all rows have in common. @throws as `of` */
  async comparison({ prune, write, resources, calibration }: RunConfig): Promise<string> {
    return fingerprint({
      dense: this.dense,
      prune: takenOver(prune),
      write,
      resources,
      calibration: await this.#calibration(calibration),
    });
  }

  /** Of what a run writes and how long it takes. @throws as `of` */
  async run({ prune, write, resources, calibration }: RunConfig): Promise<string> {
    const parts = { prune, write, resources, calibration: await this.#calibration(calibration) };
    return fingerprint({ ...this.#source, ...parts });
  }

  /** @param run fingerprint of the row's run */
  row(run: string): string {
    return fingerprint({ run, evaluation: this.#evaluation });
  }

  async #calibration(calibration: RunConfig['calibration']): Promise<FingerprintParts | undefined> {
    if (!calibration) return undefined;
    return { ...calibration, data: await Promise.all(calibration.data.map((text) => this.#identify(text))) };
  }
}

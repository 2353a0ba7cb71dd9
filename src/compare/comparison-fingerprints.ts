/**
 * What decides the figures of a comparison, of its dense model, and of each of its rows.
 * @module
 */
import { textIdentity } from '../calibration/text-identity.js';
import { tokenizerIdentity } from '../calibration/tokenizer-identity.js';
import { wantsBos } from '../calibration/window-bos.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { sampleWeights } from '../checkpoint/sample-weights.js';
import type { BosOption } from '../config/bos-option.js';
import type { EvaluationConfig, RunConfig } from '../config/run-schema.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import { type FingerprintParts, fingerprint } from '../pipeline/prepare/fingerprint.js';
import { version } from '../version.js';
import { rememberingTexts } from './remembering-texts.js';
import { takenOver } from './variant.js';

/** What of a fingerprint says that windows begin with BOS. */
type BosParts = (option: BosOption) => FingerprintParts;

/**
 * Texts count by what is in them, and the model by its hash, samples of its weights, configuration and tokenizer, wherever
 * they are. Whether windows begin with BOS counts, not how that was asked for.
 */
export class ComparisonFingerprints {
  readonly #identify: typeof textIdentity;
  readonly #bosOf: BosParts;
  readonly #source: FingerprintParts;
  readonly #evaluation: FingerprintParts;

  private constructor(
    identify: typeof textIdentity,
    bosOf: BosParts,
    source: FingerprintParts,
    evaluation: FingerprintParts,
  ) {
    this.#identify = identify;
    this.#bosOf = bosOf;
    this.#source = source;
    this.#evaluation = evaluation;
  }

  /** @throws RequestError when a text or the model can't be read; the signal's reason */
  static async of(
    checkpoint: Checkpoint,
    { data, context, windows, bos }: EvaluationConfig,
    signal: AbortSignal | undefined,
  ) {
    const identify = rememberingTexts((source) => textIdentity(source, signal));
    const { model } = checkpointModel(checkpoint);
    const bosOf = (option: BosOption) => (wantsBos(option, model) ? { bos: true } : {});
    const source = {
      hash: await checkpoint.hash(),
      config: checkpoint.config,
      weights: sampleWeights(checkpoint),
      tokenizer: tokenizerIdentity(checkpoint),
      version,
    };
    const evaluation = {
      data: await identify(data),
      context,
      windows,
      ...bosOf(bos),
    };
    return new ComparisonFingerprints(identify, bosOf, source, evaluation);
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
    const { bos, ...rest } = calibration;
    const data = await Promise.all(calibration.data.map((text) => this.#identify(text)));
    return { ...rest, data, ...this.#bosOf(bos) };
  }
}

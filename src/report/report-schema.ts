/**
 * The schema of `secateur/report.json`.
 * @module
 */
import { z } from 'zod';

const count = z.int().nonnegative();
const seconds = z.number().nonnegative();
const bosTokenId = count
  .exactOptional()
  .describe('the BOS token that was put before every window, one of its tokens; left out where none was');

export const layerReportSchema = z.strictObject({
  name: z.string(),
  block: count,
  shape: z.tuple([count, count]).describe('[out, in]'),
  method: z.string().describe('"dense" when a rule kept the layer'),
  target: z.number().describe('the sparsity asked for'),
  sparsity: z.number().describe('zeros / numel, counted in the written file'),
  pattern: z.string().describe('"unstructured", "N:M" or "dense"'),
  zeros: count,
  numel: count,
  output_error: z
    .number()
    .nullable()
    .describe(
      '‖(W−Ŵ)X‖²/‖WX‖² over the calibration activations, W being what the linear was pruned from: with calibration.recovery what was fitted, where it writes into the residual stream; null where no activations were seen',
    ),
  predicted_loss: z
    .number()
    .nullable()
    .describe(
      'the loss the solver accumulated, ½·tr(ΔHΔᵀ) for the damped H; for loss_change the sum over what went together, undamped',
    ),
  measured_loss: z
    .strictObject({
      change: z.number().describe('of the mask that was taken'),
      standard_error: z
        .number()
        .nullable()
        .describe('of the change, from the spread between windows; null for one window'),
      screened_change: z
        .number()
        .describe('of the mask that the outputs of the linear alone would have chosen'),
      screened_standard_error: z.number().nullable(),
      measurements: count.describe('sets of weights of this linear that were taken away to look at the loss'),
    })
    .exactOptional()
    .describe(
      "change of the model's cross-entropy, nats a token, when the pruned weights of this linear go and the later blocks are dense; only where the method measures it",
    ),
  damping: z.number().nullable().describe('fraction of the mean Hessian diagonal that was added'),
  seconds,
  notes: z.array(z.string()),
});

/** What processes other than the one that wrote the report took. */
export const costSchema = z.strictObject({ seconds, peak_rss_bytes: count });

const perplexitySchema = z.strictObject({
  perplexity: z.number(),
  standard_error: z
    .number()
    .nullable()
    .describe('of the perplexity, from the spread between windows (delta method); null for one window'),
  cross_entropy: z.number().describe('mean over the predicted tokens, nats'),
});

export const evaluationReportSchema = z.strictObject({
  data: z.string(),
  context: count,
  bos_token_id: bosTokenId,
  windows: count,
  tokens: count.describe('predicted tokens: windows × (context − 1)'),
  dense: perplexitySchema.nullable(),
  pruned: perplexitySchema.nullable(),
});

export const reportSchema = z.strictObject({
  version: z.literal(1),
  run: z.strictObject({
    config: z.record(z.string(), z.unknown()).describe('the run file with every default written out'),
    fingerprint: z.string().describe('SHA-256 of everything that decides the weights'),
    source: z.strictObject({
      path: z.string(),
      hash: z.string().describe('SHA-256 over headers and sizes of the shards'),
    }),
    texts: z
      .array(
        z.strictObject({
          use: z.enum(['calibration', 'evaluation']),
          source: z.string().describe('a path, or hf://datasets/org/name@commit/files'),
          files: z.array(z.string()).describe('that were read, in order; of the last perhaps only a part'),
          windows: count,
          tokens: count.describe('in these windows'),
          bos_token_id: bosTokenId,
        }),
      )
      .exactOptional()
      .describe('what was read of which text'),
    versions: z.strictObject({ secateur: z.string(), node: z.string(), onnxruntime: z.string() }),
    machine: z.strictObject({
      platform: z.string(),
      cpu: z.string(),
      cores: count,
      memory_bytes: count,
      workers: count,
    }),
    started: z.iso.datetime(),
    seconds: seconds.describe('wall time of the whole command'),
    prune_seconds: seconds.describe('wall time of pruning alone: without evaluation'),
    earlier: costSchema
      .exactOptional()
      .describe(
        'what earlier processes of this run took to prune, and to learn what that needs of the dense model, as far as this one went on from it; not in its other figures',
      ),
    reused: costSchema
      .exactOptional()
      .describe(
        'what earlier runs took to measure what this one found in the folder that it shares with them; not in its other figures',
      ),
    peak_rss_bytes: count,
  }),
  layers: z.array(layerReportSchema),
  totals: z.strictObject({
    prunable: count.describe('weights in the prunable linears'),
    zeros: count,
    sparsity: z.number(),
    parameters: count,
    macs_per_token: z.strictObject({ dense: count, effective: count }),
    bytes: count.describe('of tensor data in the written checkpoint'),
  }),
  phases: z
    .array(z.strictObject({ stage: z.string(), phase: z.string(), seconds }))
    .describe('where the wall time went; they add up to run.seconds, but for what falls between the stages'),
  evaluation: evaluationReportSchema.nullable().describe('on held-out text'),
  calibration_evaluation: evaluationReportSchema.nullable().describe('on the windows the method saw'),
  notes: z.array(z.string()),
});

export type Cost = z.infer<typeof costSchema>;
export type LayerReport = z.infer<typeof layerReportSchema>;
export type Perplexity = z.infer<typeof perplexitySchema>;
export type EvaluationReport = z.infer<typeof evaluationReportSchema>;
export type Report = z.infer<typeof reportSchema>;

/**
 * Reports as runs would leave them, for tests and for looking at the page.
 * @module
 */
import type { LayerReport, Report } from '../../src/report/report-schema.js';

export interface SampleOptions {
  blocks: number;
  hidden: number;
  intermediate: number;
  keyValue: number;
  sparsity: (block: number, kind: string) => number;
  pattern: string;
  method: string;
}

const defaults: SampleOptions = {
  blocks: 30,
  hidden: 576,
  intermediate: 1536,
  keyValue: 192,
  sparsity: () => 0.5,
  pattern: 'unstructured',
  method: 'sparsegpt',
};

/** Smooth, deterministic stand-in for noise in [0, 1). */
const wave = (x: number) => Math.abs((Math.sin(x * 12.9898) * 43758.5453) % 1);

export function sampleReport(options: Partial<SampleOptions> = {}): Report {
  const { blocks, hidden, intermediate, keyValue, sparsity, pattern, method } = { ...defaults, ...options };
  const kinds: [string, number, number, number][] = [
    ['self_attn.q_proj', hidden, hidden, 0.02],
    ['self_attn.k_proj', keyValue, hidden, 0.012],
    ['self_attn.v_proj', keyValue, hidden, 0.09],
    ['self_attn.o_proj', hidden, hidden, 0.11],
    ['mlp.gate_proj', intermediate, hidden, 0.045],
    ['mlp.up_proj', intermediate, hidden, 0.13],
    ['mlp.down_proj', hidden, intermediate, 0.17],
  ];
  const layers = Array.from({ length: blocks }, (_, block) =>
    kinds.map(([kind, out, input, level], k): LayerReport => {
      const target = sparsity(block, kind);
      const numel = out * input;
      const zeros = Math.floor(numel * target);
      const dense = target === 0;
      const error = level * (0.25 + 1.6 * (block / blocks) ** 0.7) * (0.8 + 0.4 * wave(block * 7 + k));
      return {
        name: `model.layers.${block}.${kind}`,
        block,
        shape: [out, input],
        method: dense ? 'dense' : method,
        target,
        sparsity: zeros / numel,
        pattern: dense ? 'dense' : pattern,
        zeros,
        numel,
        output_error: dense ? 0 : error * (target / 0.5) ** 3,
        predicted_loss: dense ? null : error * 1234,
        damping: dense ? null : 0.01,
        seconds: numel / 4e6,
        notes: block === 3 && k === 6 ? ['Cholesky failed with damping 0.001; raised to 0.01.'] : [],
      };
    }),
  ).flat();
  const prunable = layers.reduce((sum, layer) => sum + layer.numel, 0);
  const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
  const embedding = 49152 * hidden;
  const scale = blocks / 30;
  return {
    version: 1,
    run: {
      config: {
        model: './models/smollm2-135m',
        output: './out/smollm2-135m-sparsegpt',
        calibration: {
          data: [{ path: 'calibration/c4-sample.txt', weight: 1 }],
          samples: 128,
          sequence_length: 512,
          windows: 'contiguous',
          seed: 0,
        },
        prune: {
          method,
          sparsity: 0.5,
          allocation: 'uniform',
          options: { damping: 0.01, block_size: 128 },
          rules: [{ match: 'model.layers.0.*', keep: 'dense' }],
        },
        evaluation: { data: 'data/wikitext-2.test.txt', context: 2048, windows: 20 },
        write: { max_shard_size: '5GB', dtype: 'same' },
        resources: { workers: 'auto', memory_limit: 'auto' },
      },
      fingerprint: '3b1f0c9d5e7a42868a7f4c7b1d0e9f63d2c5b4a3f2e1d0c9b8a7968574635241',
      source: {
        path: '/data/models/smollm2-135m',
        hash: '9e107d9d372bb6826bd81d3542a419d6e277d6a4b1c3f5d7e9a1b3c5d7f9a1b3',
      },
      versions: { secateur: '0.1.0', node: '20.20.2', onnxruntime: '1.30.0' },
      machine: {
        platform: 'linux x64',
        cpu: 'Intel(R) Xeon(R) Processor @ 2.70GHz',
        cores: 2,
        memory_bytes: 24 * 2 ** 30,
        workers: 2,
      },
      started: '2026-05-04T09:12:33.120Z',
      seconds: 412.6 * scale,
      prune_seconds: 231.4 * scale,
      peak_rss_bytes: 893_000_000,
    },
    layers,
    totals: {
      prunable,
      zeros,
      sparsity: zeros / prunable,
      parameters: prunable + embedding,
      macs_per_token: { dense: prunable + embedding, effective: prunable - zeros + embedding },
      bytes: 2 * (prunable + embedding),
    },
    phases: [
      { stage: 'evaluate dense', phase: 'read', seconds: 1.9 * scale },
      { stage: 'evaluate dense', phase: 'forward', seconds: 52.4 * scale },
      { stage: 'evaluate dense', phase: 'logits', seconds: 33.1 * scale },
      { stage: 'prune', phase: 'read', seconds: 2.6 * scale },
      { stage: 'prune', phase: 'forward', seconds: 48.2 * scale },
      { stage: 'prune', phase: 'statistics', seconds: 71.9 * scale },
      { stage: 'prune', phase: 'solve', seconds: 62.3 * scale },
      { stage: 'prune', phase: 'propagate', seconds: 44.1 * scale },
      { stage: 'prune', phase: 'write', seconds: 1.2 * scale },
      { stage: 'verify', phase: 'verify', seconds: 0.6 * scale },
      { stage: 'evaluate pruned', phase: 'read', seconds: 1.8 * scale },
      { stage: 'evaluate pruned', phase: 'forward', seconds: 51.7 * scale },
      { stage: 'evaluate pruned', phase: 'logits', seconds: 32.9 * scale },
    ],
    evaluation: {
      data: 'data/wikitext-2.test.txt',
      context: 2048,
      windows: 20,
      tokens: 20 * 2047,
      dense: { perplexity: 20.97, standard_error: 0.83, cross_entropy: 3.043 },
      pruned: { perplexity: 41.63, standard_error: 1.72, cross_entropy: 3.729 },
    },
    calibration_evaluation: {
      data: 'calibration/c4-sample.txt',
      context: 512,
      windows: 128,
      tokens: 128 * 511,
      dense: { perplexity: 24.31, standard_error: 0.71, cross_entropy: 3.191 },
      pruned: { perplexity: 35.02, standard_error: 1.05, cross_entropy: 3.556 },
    },
    notes: [
      'calibration.sequence_length 4096 was capped at 2048, the limit of the model.',
      'model.layers.3.mlp.down_proj: Cholesky failed with damping 0.001; raised to 0.01.',
    ],
  };
}

/** OWL-like allocation over 80 blocks, first block dense. */
export function largeReport(): Report {
  return {
    ...sampleReport({
      blocks: 80,
      hidden: 8192,
      intermediate: 28672,
      keyValue: 1024,
      pattern: 'unstructured',
      sparsity: (block, kind) =>
        block === 0 ? 0 : 0.6 + 0.12 * Math.sin(block / 9) - (kind.endsWith('down_proj') ? 0.1 : 0),
    }),
    notes: [],
  };
}

/** Magnitude without calibration or evaluation, and nothing that was pruned. */
export function minimalReport(): Report {
  const report = sampleReport({ blocks: 1, sparsity: () => 0 });
  return {
    ...report,
    layers: report.layers.map((layer) => ({ ...layer, output_error: null, notes: [] })),
    phases: [],
    evaluation: null,
    calibration_evaluation: null,
    notes: [],
  };
}

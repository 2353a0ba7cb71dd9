/**
 * A library that answers at once, and a context to run the command line against it.
 * @module
 */
import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import type { CliContext } from '../../src/cli/cli-context.js';
import type { Library, Plan } from '../../src/cli/library.js';
import { runCli } from '../../src/cli/run-cli.js';
import { sampleReport } from '../report/sample-report.js';

class TextSink extends Writable {
  text = '';
  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

export const samplePlan: Plan = {
  model: '/models/tiny',
  method: 'wanda',
  layers: [0, 1].flatMap((block) => [
    {
      name: `model.layers.${block}.mlp.up_proj`,
      shape: [96, 32],
      numel: 3072,
      target: block === 0 ? 0.4 : 0.5,
      pattern: 'unstructured',
      zeros: block === 0 ? 1228 : 1536,
    },
    {
      name: `model.layers.${block}.mlp.down_proj`,
      shape: [32, 96],
      numel: 3072,
      target: 0,
      pattern: 'dense',
      zeros: 0,
    },
  ]),
  totals: { prunable: 12288, zeros: 2764, sparsity: 2764 / 12288, parameters: 20000 },
  bytes: {
    read: 40_000,
    written: 41_000,
    scratch: 1_000_000,
    scratchParts: [
      { name: 'hidden states', bytes: 700_000 },
      { name: 'moments of gradients', bytes: 300_000 },
    ],
  },
  flops: {
    allocation: 0,
    forward: 3e9,
    gram: 1e9,
    targets: 0,
    gradients: 0,
    regional: 0,
    steps: 0,
    loss: 0,
    factor: 0,
    solve: 0,
    outputErrors: 0,
    propagate: 0,
    evaluation: 2e9,
  },
  memory: { peakBytes: 3e8, moment: 'evaluating', parts: [{ name: 'one block in f32', bytes: 5e7 }] },
  seconds: { prune: 12.3, evaluation: 4.5, total: 16.8 },
  workers: 2,
  notes: ['sequence_length 4096 was capped at 2048'],
};

const tensor = (name: string, shape: number[], zeros: number | null, prunable: boolean) => {
  const numel = shape.reduce((product, size) => product * size, 1);
  return {
    name,
    shape,
    dtype: 'BF16',
    numel,
    zeros,
    sparsity: zeros === null ? null : zeros / numel,
    prunable,
  };
};

export function fakeLibrary(overrides: Partial<Library> = {}): Library {
  return {
    prune: async (_runFile, options) => {
      options?.onProgress?.({ kind: 'stage', stage: 'prune', blocks: 2 });
      options?.onProgress?.({ kind: 'note', message: 'a note on the way' });
      options?.onProgress?.({ kind: 'stage-end', stage: 'prune', seconds: 1.5 });
      return { output: '/home/user/out/tiny', alreadyDone: false, report: sampleReport({ blocks: 2 }) };
    },
    plan: async () => samplePlan,
    evaluate: async (checkpoint, { data, context = 0, windows = 7, baseline }) => ({
      checkpoint: { path: checkpoint, perplexity: 41.634, standard_error: 1.72, cross_entropy: 3.729 },
      ...(baseline === undefined
        ? {}
        : { baseline: { path: baseline, perplexity: 20.97, standard_error: 0.83, cross_entropy: 3.043 } }),
      data,
      context,
      windows,
      tokens: windows * (context - 1),
      seconds: 9.5,
      peakRssBytes: 5.1e8,
      notes: ['context was capped'],
    }),
    compare: async (_runFile, { methods, goals, onLine }) => {
      onLine?.('magnitude 0.5: prune: done');
      return {
        output: '/home/user/out/compare',
        comparison: {
          version: 1,
          fingerprint: 'c0ffee',
          secateur: '0.0.0',
          model: '/models/tiny',
          calibration: null,
          evaluation: { data: '/text.txt', context: 128, windows: 4, tokens: 508 },
          dense: { fingerprint: 'd', perplexity: 20.97, standard_error: 0.83 },
          rows: goals.flatMap((goal) =>
            methods.map((method) => ({
              method,
              goal,
              fingerprint: method + goal,
              folder: method,
              sparsity: 0.5,
              perplexity: 41.634,
              standard_error: 1.72,
              seconds: 9.5,
              peak_rss_bytes: 5.1e8,
              output_error: null,
            })),
          ),
        },
      };
    },
    inspect: async (folder, options) => ({
      folder,
      tensors: [
        tensor('model.embed_tokens.weight', [100, 32], 1, false),
        {
          ...tensor('model.layers.0.mlp.up_proj.weight', [96, 32], 1536, true),
          ...(options?.pattern ? { violations: 3 } : {}),
        },
        tensor('model.layers.0.steps', [4], null, false),
      ],
      linears: [],
      totals: { parameters: 6276, zeros: 1537, prunable: 3072, prunableZeros: 1536, bytes: 12552 },
      ...(options?.pattern ? { pattern: options.pattern } : {}),
      notes: [],
    }),
    fetchModel: async (name, options) => {
      const progress = { kind: 'download', model: name, files: 7, filesDone: 0, bytes: 269e6 } as const;
      options?.onProgress?.({ ...progress, bytesDone: 0 });
      options?.onProgress?.({ kind: 'download-end', model: name, files: 7, received: 269e6, seconds: 12.3 });
      return {
        model: name,
        revision: 'main',
        commit: '0123456789abcdef0123456789abcdef01234567',
        folder: '/home/user/.cache/huggingface/hub/models--org--name/snapshots/0123',
        downloadedFiles: 7,
        downloadedBytes: 269e6,
        notes: ['left out, since they are not read: model.gguf'],
      };
    },
    runSchema: () => ({ type: 'object', title: 'run.yaml' }),
    renderReport: async (output) => `${output}/secateur/report.html`,
    ...overrides,
  };
}

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process; `signals` may be used to interrupt it. */
export async function cli(
  args: string[],
  library: Partial<Library> = {},
  extra: Partial<CliContext> = {},
): Promise<CliRun> {
  const stdout = new TextSink();
  const stderr = new TextSink();
  const code = await runCli(args, {
    stdout,
    stderr,
    env: {},
    cwd: '/home/user',
    version: '1.2.3',
    signals: new EventEmitter(),
    loadLibrary: async () => fakeLibrary(library),
    exit: (exitCode) => {
      throw new Error(`exit ${exitCode}`);
    },
    ...extra,
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

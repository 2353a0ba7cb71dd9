/**
 * What memory is measured against, and the runs along each axis.
 * @module
 */

const magnitude = { prune: { method: 'magnitude', pattern: '2:4' } };
const wanda = { prune: { method: 'wanda', sparsity: 0.5 } };
const sparsegpt = { prune: { method: 'sparsegpt', sparsity: 0.5 } };
const sparsegptPattern = { prune: { method: 'sparsegpt', pattern: '2:4' } };

const calibrated = (run, samples, tokens) => ({
  ...run,
  calibration: { samples, sequence_length: tokens },
});

/** Every other setting is the same along an axis, the number of workers included. */
const WORKERS = 2;

/**
 * @typedef {object} Series runs that are compared with each other
 * @property {string} name
 * @property {readonly Point[]} points
 *
 * @typedef {object} Point
 * @property {number | string} value the place on the axis
 * @property {{shape: string, blocks: number, vocabulary?: number}} checkpoint
 * @property {object} [run] the run file's `prune` and, where there is one, `calibration` (without its text)
 * @property {{context: number, windows: number}} [evaluate] instead of a run, an evaluation
 * @property {number} workers
 */

/** The series of each axis. `quick` takes narrow blocks in place of those of a 7B model. */
export const AXES = {
  depth(quick) {
    const shape = quick ? 'narrow' : 'llama-2-7b';
    const series = (name, run, depths) => ({
      name,
      points: depths.map((blocks) => ({
        value: blocks,
        checkpoint: { shape, blocks },
        run,
        workers: WORKERS,
      })),
    });
    return [
      series(`magnitude 2:4, ${shape}`, magnitude, [2, 8, 32]),
      series(`wanda 50 %, ${shape}, 4 × 256 tokens`, calibrated(wanda, 4, 256), [2, 4, 8]),
      series(`sparsegpt 2:4, ${shape}, 4 × 256 tokens`, calibrated(sparsegptPattern, 4, 256), [2, 4, 8]),
    ];
  },

  length(quick) {
    const lengths = quick ? [256, 512, 1024] : [512, 2048, 4096];
    const series = (name, run, shape) => ({
      name: `${name}, ${shape}, 4 windows`,
      points: lengths.map((tokens) => ({
        value: tokens,
        checkpoint: { shape, blocks: 2 },
        run: calibrated(run, 4, tokens),
        workers: WORKERS,
      })),
    });
    const evaluation = (vocabulary, shape) => ({
      name: `evaluation, ${shape}, vocabulary ${vocabulary}`,
      points: lengths.map((context) => ({
        value: context,
        checkpoint: { shape, blocks: 2, vocabulary },
        evaluate: { context, windows: 2 },
        workers: WORKERS,
      })),
    });
    return [
      series('wanda 50 %', wanda, 'narrow'),
      series('sparsegpt 50 %', sparsegpt, 'narrow'),
      ...(quick ? [] : [series('wanda 50 %', wanda, 'llama-2-7b')]),
      evaluation(32000, 'narrow'),
      evaluation(128256, 'narrow'),
    ];
  },

  workers(quick) {
    const shape = quick ? 'narrow' : 'llama-2-7b';
    const series = (name, run) => ({
      name: `${name}, ${shape}`,
      points: [1, 2, 4].map((workers) => ({
        value: workers,
        checkpoint: { shape, blocks: 2 },
        run,
        workers,
      })),
    });
    return [
      series('magnitude 2:4', magnitude),
      series('wanda 50 %, 8 × 512 tokens', calibrated(wanda, 8, 512)),
      series('sparsegpt 2:4, 8 × 512 tokens', calibrated(sparsegptPattern, 8, 512)),
    ];
  },

  samples(quick) {
    const tokens = quick ? 256 : 2048;
    const series = (name, run) => ({
      name: `${name}, narrow, windows of ${tokens} tokens`,
      points: [8, 32, 128].map((samples) => ({
        value: samples,
        checkpoint: { shape: 'narrow', blocks: 2 },
        run: calibrated(run, samples, tokens),
        workers: WORKERS,
      })),
    });
    return [series('wanda 50 %', wanda), series('sparsegpt 50 %', sparsegpt)];
  },

  /** Models of other widths; what a run takes there follows from `plan`'s formula. */
  method(quick) {
    const shapes = quick ? ['narrow'] : ['llama-2-7b', 'llama-3-8b', 'llama-70b'];
    const runs = {
      magnitude,
      wanda: calibrated(wanda, 4, 256),
      sparsegpt: calibrated(sparsegptPattern, 4, 256),
    };
    return shapes.map((shape) => ({
      name: `two blocks of ${shape}, calibrated on 4 × 256 tokens`,
      points: Object.entries(runs).map(([value, run]) => ({
        value,
        checkpoint: { shape, blocks: 2 },
        run,
        workers: WORKERS,
      })),
    }));
  },

  /** Not an axis but the two promises about a 7B model, each with the most memory that it may take. */
  targets(quick) {
    const shape = quick ? 'narrow' : 'llama-2-7b';
    const blocks = quick ? 2 : 32;
    const tokens = quick ? 256 : 2048;
    const one = (name, run, checkpoint, limit) => ({
      name: `${name}, ${checkpoint.blocks} blocks of ${shape}`,
      limit,
      points: [{ value: checkpoint.blocks, checkpoint, run, workers: WORKERS }],
    });
    return [
      one('magnitude 2:4', magnitude, { shape, blocks }, 1.5e9),
      one(
        `sparsegpt 50 %, 8 × ${tokens} tokens`,
        calibrated(sparsegpt, 8, tokens),
        { shape, blocks: 2 },
        4e9,
      ),
      one(`wanda 50 %, 8 × ${tokens} tokens`, calibrated(wanda, 8, tokens), { shape, blocks: 2 }, 4e9),
    ];
  },
};

// node bench/layer-errors.mjs --model FOLDER --calibration FILE [--samples N] [--sequence-length T]
//   [--patterns 0.6,2:4] [--blocks all|0,1,2] [--methods wanda,wanda+least_squares,sparsegpt,thanos,admm,alps]
//   [--workers N] [--out FILE]
// Prunes a copy of every linear by every method, each on the same activations of the dense model, and prints the mean
// relative output error of each method, the share of linears in which errors have the order that is expected, and every
// linear in which they don't. Errors are of f32 weights, before they are rounded to what a checkpoint stores. FILE
// receives all of it as JSON, block after block.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCalibration } from '../dist/calibration/load-calibration.js';
import { loadTokenizer } from '../dist/calibration/tokenizer.js';
import { openCheckpoint } from '../dist/checkpoint/checkpoint.js';
import { variantsOf } from '../dist/compare/variant.js';
import { checkpointModel } from '../dist/forward/checkpoint-model.js';
import { HiddenStates } from '../dist/forward/hidden-states.js';
import { ModelStream } from '../dist/forward/model-stream.js';
import { planPasses } from '../dist/graph/block-passes.js';
import { bindMethod } from '../dist/pipeline/methods/bind-method.js';
import { runSchema } from '../dist/pipeline/methods/method-registry.js';
import { planLayers } from '../dist/pipeline/prepare/layer-plan.js';
import { measuredPasses } from '../dist/pipeline/prepare/measured-passes.js';
import { copyFloats } from '../dist/runtime/tensor-ref.js';
import { automaticWorkers, WorkerPool } from '../dist/runtime/worker-pool.js';
import { StatisticsCollector } from '../dist/statistics/collect-statistics.js';
import { outputError } from '../dist/statistics/output-error.js';
import { version } from '../dist/version.js';
import { summarise, violationsOf } from './lib/error-order.mjs';
import { withMatrices } from './lib/native-matrices.mjs';

/** Of a thousand tokens or fewer, whose activations wait for the Gram matrices. */
const RANGES_IN_MEMORY = 8;
/** A clock that tells nobody. */
const SILENT = { step() {}, add() {} };
const METHODS = 'wanda,wanda+least_squares,sparsegpt,thanos,admm,alps';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    calibration: { type: 'string' },
    samples: { type: 'string', default: '32' },
    'sequence-length': { type: 'string', default: '512' },
    patterns: { type: 'string', default: '0.6,2:4' },
    blocks: { type: 'string', default: 'all' },
    methods: { type: 'string', default: METHODS },
    workers: { type: 'string' },
    out: { type: 'string' },
  },
});

/** A run file's settings, of which methods and goals are still to be replaced. */
/**
 * @param {string} model
 * @param {string} calibration
 */
function baseConfig(model, calibration) {
  const config = runSchema.parse({
    model: resolve(model),
    output: join(tmpdir(), 'unused'),
    calibration: {
      data: resolve(calibration),
      samples: Number(values.samples),
      sequence_length: Number(values['sequence-length']),
    },
    prune: { method: 'magnitude', sparsity: 0.5 },
  });
  if (!config.calibration) throw new Error('no calibration');
  return { ...config, calibration: config.calibration };
}

/** The methods at the patterns, with what each linear is to become. */
function boundVariants(base, model) {
  const asked = {
    methods: values.methods.split(','),
    goals: values.patterns.split(','),
    folder: process.cwd(),
  };
  return variantsOf(base, asked).map(({ method, goal, config }) => {
    const bound = bindMethod(config.prune);
    if (bound.gradients || bound.loss || bound.optimisations.length > 0)
      throw new Error(`${method} needs more than the inputs of a linear`);
    if (config.prune.allocation.name !== 'uniform' || (config.calibration?.recovery ?? 0) > 0)
      throw new Error(`${method}: every linear is pruned alike here, to the outputs of the dense model`);
    return { method, pattern: goal, bound, layers: planLayers(model, config.prune) };
  });
}

function blocksFrom(text, count) {
  const wanted = text === 'all' ? [...Array(count).keys()] : text.split(',').map(Number);
  const wrong = wanted.find((block) => !Number.isInteger(block) || block < 0 || block >= count);
  if (wrong !== undefined) throw new Error(`--blocks ${text}: the model has the blocks 0 to ${count - 1}`);
  return new Set(wanted);
}

/** Prunes copies of a group's linears, and measures what each lost. @returns {Promise<Map<string, number>>} by full name */
async function errorsOf(pool, { bound }, { name, layers, weights, statistics }) {
  return await withMatrices(async (matrices) => {
    const linears = layers.map((layer) => {
      const dense = weights[`${layer.linear.name}.weight`];
      const copy = { address: matrices.zeros(...dense.shape).address, shape: dense.shape };
      copyFloats(dense, copy.address);
      const loadDense = async (address) => copyFloats(dense, address);
      return { name: layer.name, weights: copy, pattern: layer.pattern, loadDense, dense };
    });
    await bound.prune(pool, { name, linears, statistics }, true);
    const errors = new Map();
    for (const linear of linears)
      errors.set(linear.name, await outputError(pool, linear.dense, linear.weights, statistics.gram));
    return errors;
  });
}

/** Takes the dense model through its blocks and yields the errors of one block after another. */
async function* measure({ pool, checkpoint, model, calibration, variants, blocks, folder }) {
  const { locate: source } = checkpointModel(checkpoint);
  const { samples, sequenceLength, tokens } = calibration;
  const linearNames = ({ linears }) => new Set(linears.map(({ name }) => name));
  // Nothing is pruned between the passes, so that each product is computed once.
  const plans = model.blocks.map((block) => planPasses(block, sequenceLength, linearNames(block), 'pruned'));
  const recordBytes = Math.max(...plans.map((passes) => passes.recordBytes));
  const states = new HiddenStates(
    join(folder, 'dense.hidden'),
    samples,
    sequenceLength,
    model.hiddenSize,
    recordBytes,
  );
  const stream = new ModelStream(model, pool);
  const collector = new StatisticsCollector(pool, stream.graphs, RANGES_IN_MEMORY);
  const tools = { collector, clock: SILENT };
  const moments = variants.some(({ bound }) => bound.moments);
  try {
    await stream.embed(states, tokens, source);
    for (const index of Array(Math.max(...blocks) + 1).keys()) {
      const block = model.blocks[index];
      const weights = await stream.loadBlock(block, source);
      if (!blocks.has(index)) {
        await stream.runBlock(block, weights, states, source);
        continue;
      }
      const passes = plans[index];
      const found = [];
      const work = { block, passes, weights, states, gramWindows: samples, moments };
      for await (const { statistics: measured } of measuredPasses(tools, index, work)) {
        for (const [group, statistics] of measured)
          found.push(...(await measureGroup(pool, variants, { index, group, weights, statistics })));
      }
      yield { index, linears: found };
      await stream.runBlock(block, weights, states, source, { passes });
    }
  } finally {
    collector.dispose();
    states.dispose();
  }
}

/** @returns {Promise<import('./lib/error-order.mjs').LinearErrors[]>} */
async function measureGroup(pool, variants, { index, group, weights, statistics }) {
  const found = new Map();
  for (const variant of variants) {
    const layers = variant.layers.filter(
      ({ block, linear }) => block === index && linear.inputGroup === group,
    );
    const errors = await errorsOf(pool, variant, { name: group, layers, weights, statistics });
    for (const { name, linear } of layers) {
      const key = `${name} ${variant.pattern}`;
      const known = found.get(key) ?? {
        block: index,
        name: linear.name,
        pattern: variant.pattern,
        errors: {},
      };
      known.errors[variant.method] = errors.get(name);
      found.set(key, known);
    }
  }
  return [...found.values()];
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function print(summary, violations) {
  const lines = Object.entries(summary).flatMap(([pattern, { linears, means, ordered, pairs, ...rest }]) => {
    const beside = rest.thanosBesideSparsegpt;
    return [
      '',
      `${pattern}: mean relative output error of ${linears} linears`,
      ...Object.entries(means).map(([method, mean]) => `  ${method.padEnd(24)}${mean.toPrecision(4)}`),
      `  in the expected order: ${percent(ordered)} of the linears`,
      ...pairs.map((pair) => `    ${pair.better} ≤ ${pair.worse}: ${percent(pair.ordered)}`),
      ...(beside
        ? [
            `  thanos ÷ sparsegpt: ${beside.ratio.toFixed(3)} (geometric mean), lower in ${percent(beside.lower)}`,
          ]
        : []),
    ];
  });
  const exceptions = violations.map(
    ({ block, name, pattern, better, worse, excess }) =>
      `  block ${block} ${name} ${pattern}: ${better} lies ${percent(excess)} above ${worse}`,
  );
  process.stdout.write(`${[...lines, '', 'Out of order:', ...exceptions].join('\n')}\n`);
}

async function main() {
  if (!values.model || !values.calibration) throw new Error('--model and --calibration are needed');
  const base = baseConfig(values.model, values.calibration);
  const checkpoint = await openCheckpoint(base.model);
  const { model } = checkpointModel(checkpoint);
  const blocks = blocksFrom(values.blocks, model.blocks.length);
  const variants = boundVariants(base, model);
  const calibration = await loadCalibration(base.calibration, await loadTokenizer(checkpoint.folder), model);
  const pool = new WorkerPool(values.workers === undefined ? automaticWorkers() : Number(values.workers));
  const folder = mkdtempSync(join(tmpdir(), 'secateur-errors-'));
  const linears = [];
  try {
    for await (const block of measure({ pool, checkpoint, model, calibration, variants, blocks, folder })) {
      linears.push(...block.linears);
      process.stderr.write(`block ${block.index}: ${block.linears.length} measured\n`);
      if (values.out)
        writeFileSync(values.out, `${JSON.stringify(resultOf(calibration, linears), null, 2)}\n`);
    }
  } finally {
    await pool.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const { summary, violations } = resultOf(calibration, linears);
  print(summary, violations);
}

function resultOf({ samples, sequenceLength, fingerprint }, linears) {
  const patterns = [...new Set(linears.map(({ pattern }) => pattern))];
  const ofPattern = (pattern) => linears.filter((linear) => linear.pattern === pattern);
  return {
    secateur: version,
    model: values.model,
    calibration: { samples, sequence_length: sequenceLength, tokens: fingerprint },
    summary: Object.fromEntries(patterns.map((pattern) => [pattern, summarise(ofPattern(pattern))])),
    violations: linears.flatMap(violationsOf),
    linears,
  };
}

await main();

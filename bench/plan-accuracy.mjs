// node bench/plan-accuracy.mjs [--models FOLDER] [--only TEXT] [--json FILE] [--list]
// Runs `plan` and then `prune` as whole processes over many settings and prints what was predicted, what was measured
// and the ratio of the two. FOLDER (default: a temporary one) receives the synthetic checkpoints; where it holds
// smollm2-135m, that model is measured too. Seconds are worth something on an idle machine only; the processor seconds
// beside them, divided by the workers, are what remains of them while others work.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureProcess } from './growth/measure-process.mjs';
import { processorTimes } from './lib/processor-times.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const main = join(root, 'dist/cli/main.js');

/** Allowed ratios of predicted to measured. */
const MEMORY_TOLERANCE = 1.25;
const TIME_TOLERANCE = 2;

/** Arguments of scripts/make-synthetic-checkpoint.mjs. */
const SYNTHETIC = {
  'llama-2-7b-2': ['--shape', 'llama-2-7b', '--blocks', '2', '--vocabulary', '4096'],
  'llama-3-8b-1': ['--shape', 'llama-3-8b', '--blocks', '1', '--vocabulary', '8192'],
};

/**
 * @typedef {object} Setting
 * @property {string} model
 * @property {string} method
 * @property {string} goal
 * @property {number} [samples] 0: no calibration
 * @property {number} [length]
 * @property {number} [workers]
 * @property {number} [evaluate] windows of held-out text, 0: no evaluation
 * @property {'pruned' | 'mixed' | 'dense'} [inputs]
 * @property {string} [limit] resources.memory_limit
 */

/** @type {Setting[]} */
const SETTINGS = [
  { model: 'quickstart', method: 'magnitude', goal: 'sparsity: 0.5', samples: 0 },
  {
    model: 'quickstart',
    method: 'magnitude',
    goal: 'pattern: "2:4"',
    samples: 64,
    length: 256,
    evaluate: 40,
  },
  { model: 'quickstart', method: 'wanda', goal: 'sparsity: 0.5', samples: 8, length: 128, workers: 1 },
  { model: 'quickstart', method: 'wanda', goal: 'pattern: "2:4"', samples: 512, length: 512, workers: 4 },
  {
    model: 'quickstart',
    method: 'sparsegpt',
    goal: 'pattern: "2:4"',
    samples: 64,
    length: 256,
    evaluate: 40,
  },
  {
    model: 'quickstart',
    method: 'sparsegpt',
    goal: 'sparsity: 0.5',
    samples: 256,
    length: 128,
    inputs: 'dense',
  },
  { model: 'smollm2-135m', method: 'magnitude', goal: 'sparsity: 0.5', samples: 0 },
  { model: 'smollm2-135m', method: 'magnitude', goal: 'pattern: "2:4"', samples: 0, workers: 4 },
  {
    model: 'smollm2-135m',
    method: 'magnitude',
    goal: 'sparsity: 0.5',
    samples: 16,
    length: 512,
    evaluate: 4,
  },
  { model: 'smollm2-135m', method: 'wanda', goal: 'sparsity: 0.5', samples: 16, length: 512 },
  {
    model: 'smollm2-135m',
    method: 'wanda',
    goal: 'pattern: "2:4"',
    samples: 4,
    length: 2048,
    workers: 1,
    evaluate: 2,
  },
  { model: 'smollm2-135m', method: 'wanda', goal: 'sparsity: 0.5', samples: 64, length: 128, workers: 4 },
  { model: 'smollm2-135m', method: 'sparsegpt', goal: 'sparsity: 0.5', samples: 16, length: 512 },
  {
    model: 'smollm2-135m',
    method: 'sparsegpt',
    goal: 'pattern: "2:4"',
    samples: 4,
    length: 2048,
    workers: 4,
  },
  {
    model: 'smollm2-135m',
    method: 'sparsegpt',
    goal: 'sparsity: 0.5',
    samples: 16,
    length: 512,
    inputs: 'dense',
  },
  {
    model: 'smollm2-135m',
    method: 'sparsegpt',
    goal: 'sparsity: 0.5',
    samples: 128,
    length: 512,
    evaluate: 8,
  },
  { model: 'llama-2-7b-2', method: 'magnitude', goal: 'pattern: "2:4"', samples: 0 },
  { model: 'llama-2-7b-2', method: 'magnitude', goal: 'sparsity: 0.5', samples: 0, workers: 4 },
  { model: 'llama-2-7b-2', method: 'wanda', goal: 'sparsity: 0.5', samples: 4, length: 512, workers: 1 },
  { model: 'llama-2-7b-2', method: 'wanda', goal: 'pattern: "2:4"', samples: 2, length: 2048 },
  { model: 'llama-2-7b-2', method: 'sparsegpt', goal: 'sparsity: 0.5', samples: 2, length: 2048 },
  { model: 'llama-2-7b-2', method: 'sparsegpt', goal: 'pattern: "2:4"', samples: 8, length: 256, workers: 4 },
  {
    model: 'llama-2-7b-2',
    method: 'sparsegpt',
    goal: 'sparsity: 0.5',
    samples: 4,
    length: 512,
    inputs: 'dense',
  },
  { model: 'llama-3-8b-1', method: 'magnitude', goal: 'sparsity: 0.5', samples: 2, length: 512, evaluate: 2 },
  { model: 'llama-3-8b-1', method: 'wanda', goal: 'sparsity: 0.5', samples: 2, length: 4096 },
  {
    model: 'llama-3-8b-1',
    method: 'sparsegpt',
    goal: 'pattern: "2:4"',
    samples: 2,
    length: 4096,
    workers: 1,
  },
];

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
    list: { type: 'boolean' },
  },
});

function nameOf(setting) {
  const { model, method, goal, samples = 0, length, workers, evaluate = 0, inputs, limit } = setting;
  return [
    model,
    method,
    goal.replace(/^.*: /, '').replaceAll('"', ''),
    samples > 0 ? `${samples}×${length}` : 'no windows',
    workers ? `${workers}w` : '',
    inputs ?? '',
    limit ?? '',
    evaluate > 0 ? `eval ${evaluate}` : '',
  ]
    .filter(Boolean)
    .join(' ');
}

function modelFolder(models, name) {
  if (name === 'quickstart') return join(root, 'models/quickstart');
  const folder = join(models, name);
  if (existsSync(join(folder, 'config.json'))) return folder;
  const synthetic = SYNTHETIC[name];
  return synthetic ? { folder, synthetic } : undefined;
}

async function madeModel(models, name) {
  const found = modelFolder(models, name);
  if (typeof found !== 'object') return found;
  await measureProcess(process.execPath, [
    join(root, 'scripts/make-synthetic-checkpoint.mjs'),
    ...found.synthetic,
    '--out',
    found.folder,
  ]);
  return found.folder;
}

function writeRunFile(work, model, text, setting) {
  const { method, goal, samples = 0, length = 512, workers, evaluate = 0, inputs, limit } = setting;
  const path = join(work, 'run.yaml');
  const lines = [
    `model: ${model}`,
    `output: ${join(work, 'out')}`,
    ...(samples > 0
      ? [
          'calibration:',
          `  data: ${text}`,
          `  samples: ${samples}`,
          `  sequence_length: ${length}`,
          ...(inputs ? [`  inputs: ${inputs}`] : []),
        ]
      : []),
    `prune: {method: ${method}, ${goal}}`,
    ...(evaluate > 0
      ? [
          `evaluation: {data: ${join(root, 'calibration/heldout.txt')}, context: ${length}, windows: ${evaluate}}`,
        ]
      : []),
    `resources: {workers: ${workers ?? 'auto'}, memory_limit: ${limit ?? 'auto'}}`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

async function measure(models, work, text, setting) {
  const model = await madeModel(models, setting.model);
  if (!model) return undefined;
  const runFile = writeRunFile(work, model, text, setting);
  const plan = JSON.parse((await measureProcess(process.execPath, [main, 'plan', runFile, '--json'])).stdout);
  const before = processorTimes();
  const run = await measureProcess(process.execPath, [main, 'prune', runFile, '--fresh', '--json']);
  const after = processorTimes();
  const { report } = JSON.parse(run.stdout);
  rmSync(join(work, 'out'), { recursive: true, force: true });
  const processorSeconds = after && before ? after.own - before.own : null;
  return {
    name: nameOf(setting),
    setting,
    memory: {
      predicted: plan.memory.peakBytes,
      measured: run.peakRss,
      ratio: plan.memory.peakBytes / run.peakRss,
      parts: plan.memory.parts,
    },
    seconds: {
      predicted: plan.seconds,
      measured: run.seconds,
      ratio: plan.seconds.total / run.seconds,
      processor: processorSeconds,
      /** As if every worker had had a core of its own all the time. */
      processorRatio:
        processorSeconds === null ? null : (plan.seconds.total * plan.workers) / processorSeconds,
    },
    phases: report.phases,
    reported: {
      seconds: report.run.seconds,
      phases: report.phases.reduce((sum, { seconds }) => sum + seconds, 0),
    },
    others:
      after && before ? (after.all - before.all - (after.own - before.own)) / (after.at - before.at) : null,
  };
}

function row({ name, memory, seconds, reported, others }) {
  const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`.padStart(8);
  const ratio = (value, tolerance) =>
    value === null ? '   ?' : `${value.toFixed(2)}${value > tolerance || value < 1 / tolerance ? '!' : ' '}`;
  return [
    name.padEnd(62),
    megabytes(memory.predicted),
    megabytes(memory.measured),
    ratio(memory.ratio, MEMORY_TOLERANCE),
    `${seconds.predicted.total.toFixed(1)} s`.padStart(9),
    `${seconds.measured.toFixed(1)} s`.padStart(9),
    ratio(seconds.ratio, TIME_TOLERANCE),
    ratio(seconds.processorRatio, TIME_TOLERANCE),
    `${((100 * reported.phases) / reported.seconds).toFixed(0)} %`.padStart(5),
    others === null ? '' : `${others.toFixed(1)} cores`,
  ].join('  ');
}

const settings = SETTINGS.filter((setting) => nameOf(setting).includes(values.only ?? ''));
if (values.list) {
  for (const setting of settings) process.stdout.write(`${nameOf(setting)}\n`);
} else {
  const work = mkdtempSync(join(tmpdir(), 'secateur-plan-'));
  const models = resolve(values.models ?? join(work, 'models'));
  mkdirSync(models, { recursive: true });
  const text = join(work, 'calibration.txt');
  // Long enough for every setting; what it says doesn't matter here.
  const once = readFileSync(join(root, 'calibration/heldout.txt'), 'utf8');
  writeFileSync(text, once.repeat(20));
  const results = [];
  try {
    process.stdout.write(
      `${'setting'.padEnd(62)}  ${'planned'.padStart(8)}  ${'peak RSS'.padStart(8)}  ratio  planned  measured  ratio  CPU    phases  others\n`,
    );
    for (const setting of settings) {
      const result = await measure(models, work, text, setting);
      if (!result) continue;
      results.push(result);
      process.stdout.write(`${row(result)}\n`);
      if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

// npm run bench:growth [-- --only depth,length,workers,samples,method,targets] [--folder FOLDER] [--keep] [--quick] [--json FILE]
// Measures the peak memory of whole secateur processes against the depth of the model, the length of the sequences, the
// workers and the calibration samples, on synthetic checkpoints. The whole of it needs 30 GB of disk; --quick needs 1.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeSyntheticCheckpoint } from '../../scripts/make-synthetic-checkpoint.mjs';
import { AXES } from './axes.mjs';
import { makeText } from './make-text.mjs';
import { measureProcess } from './measure-process.mjs';
import { growth, printSeries } from './print-series.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    folder: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
const axes = options.only?.split(',') ?? Object.keys(AXES);
for (const axis of axes) {
  if (Object.hasOwn(AXES, axis)) continue;
  console.error(`--only ${axis}: known are ${Object.keys(AXES).join(', ')}`);
  process.exit(2);
}
const folder = resolve(options.folder ?? join(tmpdir(), 'secateur-growth'));
mkdirSync(folder, { recursive: true });
const text = join(folder, 'text.txt');
const runFile = join(folder, 'run.yaml');
const output = join(folder, 'output');
const copy = join(folder, 'copy');

/** Makes a checkpoint unless an earlier call kept it, and removes the one before: one at a time is on the disk. */
let present;
function checkpointFolder({ shape, blocks, vocabulary }) {
  const name = [shape, blocks, vocabulary].filter((part) => part !== undefined).join('-');
  const path = join(folder, name);
  if (present === path) return path;
  removeCheckpoint();
  present = path;
  // The script writes it last.
  if (!existsSync(join(path, 'config.json')))
    makeSyntheticCheckpoint({ shape, out: path, blocks, vocabulary });
  return path;
}

function removeCheckpoint() {
  if (present !== undefined && !options.keep) rmSync(present, { recursive: true, force: true });
  present = undefined;
}

/** What secateur says beforehand; of it, what explains growth. */
function predictedBytes() {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'plan', runFile, '--json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`plan ${runFile} ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout).memory.peakBytes;
}

async function measure({ value, checkpoint, run, evaluate, workers }) {
  const model = checkpointFolder(checkpoint);
  if (evaluate) {
    const { context, windows } = evaluate;
    writeFileSync(text, makeText(context * windows));
    // A run that evaluates needs the same activations: `eval` itself predicts nothing.
    const evaluation = { data: text, context, windows };
    const prune = { method: 'magnitude', sparsity: 0.5 };
    writeFileSync(runFile, JSON.stringify({ model, output, prune, evaluation, resources: { workers } }));
    const predicted = predictedBytes();
    const { stdout, ...figures } = await measureProcess(process.execPath, [
      ...[MAIN, 'eval', model, '--data', text, '--context', context, '--windows', windows],
      ...['--workers', workers, '--json'],
    ]);
    return { value, ...figures, predicted };
  }
  rmSync(output, { recursive: true, force: true });
  const { samples = 0, sequence_length: length = 0 } = run.calibration ?? {};
  writeFileSync(text, makeText(samples * length));
  const calibration = run.calibration && { ...run.calibration, data: text };
  writeFileSync(runFile, JSON.stringify({ model, output, ...run, calibration, resources: { workers } }));
  const predicted = predictedBytes();
  const { stdout, ...figures } = await measureProcess(process.execPath, [MAIN, 'prune', runFile, '--json']);
  rmSync(output, { recursive: true });
  return { value, ...figures, predicted };
}

/** Seconds that `cp` and a sync take for the checkpoint. */
function copySeconds(checkpoint) {
  const model = checkpointFolder(checkpoint);
  rmSync(copy, { recursive: true, force: true });
  const started = performance.now();
  const command = 'cp -r "$0" "$1" && sync "$1"/*.safetensors';
  const { status } = spawnSync('sh', ['-c', command, model, copy], { stdio: 'inherit' });
  const seconds = (performance.now() - started) / 1000;
  rmSync(copy, { recursive: true });
  if (status !== 0) throw new Error(`copying ${model} ended with ${status}`);
  return seconds;
}

const results = [];
try {
  for (const axis of axes) {
    for (const { name, limit, points } of AXES[axis](options.quick)) {
      const measured = [];
      for (const point of points) {
        measured.push(await measure(point));
        process.stderr.write(
          `${axis}: ${name}: ${point.value}: ${Math.round(measured.at(-1).peakRss / 1e6)} MB\n`,
        );
      }
      const [first] = points;
      const withCopy = limit !== undefined && !first.run.calibration;
      const seconds = withCopy ? copySeconds(first.checkpoint) : null;
      results.push({
        axis,
        name,
        limit: limit ?? null,
        copySeconds: seconds,
        ...growth(measured),
        points: measured,
      });
      printSeries(results.at(-1));
    }
  }
} finally {
  removeCheckpoint();
  for (const path of [text, runFile, output, copy]) rmSync(path, { recursive: true, force: true });
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

const report = {
  version: JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version,
  node: process.versions.node,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memory_bytes: totalmem(),
  quick: options.quick,
  results,
};
const json = resolve(options.json ?? fileURLToPath(new URL('../results/growth.json', import.meta.url)));
mkdirSync(dirname(json), { recursive: true });
writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
console.log(`written to ${json}`);

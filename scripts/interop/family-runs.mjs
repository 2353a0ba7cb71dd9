// Prunes copies of golden checkpoints by the command line.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openCheckpoint } from '../../dist/checkpoint/checkpoint.js';
import { checkpointModel } from '../../dist/forward/checkpoint-model.js';
import { inspect } from '../../dist/index.js';
import { describedTensors } from '../../dist/model/check-tensors.js';
import { copyGoldenModel } from '../golden-model.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

const CONTEXT = 32;
const WINDOWS = 8;
/** Of 2:4. */
const GROUP = 4;

/** The texts of all families, a character a token: one to calibrate with, another to evaluate on. */
export function writeTexts(folder) {
  const text = readFileSync(join(root, 'calibration/heldout.txt'), 'utf8');
  const characters = 4 * CONTEXT * WINDOWS;
  const write = (name, part) => {
    const path = join(folder, name);
    writeFileSync(path, text.slice(part * characters, (part + 1) * characters));
    return path;
  };
  return { calibration: write('calibration.txt', 0), heldOut: write('heldout.txt', 1) };
}

/**
 * What the runs of a family are to reach: 2:4 wherever it divides the inputs, half of the other linears; and half of the
 * linears, without every third, so that tensors of several linears keep some of them.
 */
function goalsOf(linears) {
  const undivided = linears.filter((linear) => linear.shape[1] % GROUP !== 0);
  const spared = linears.filter((_, index) => index % 3 === 2);
  const rules = (list, goal) => list.map(({ name }) => ({ match: name, ...goal }));
  return {
    ...(undivided.length === linears.length
      ? {}
      : { '2:4': { pattern: '2:4', rules: rules(undivided, { sparsity: 0.5 }) } }),
    'half of some': { sparsity: 0.5, rules: rules(spared, { keep: 'dense' }) },
  };
}

/**
 * Copies a checkpoint of a folder like the golden ones and prunes the copy to every goal.
 *
 * @returns a case as check-families.py reads it, with what the table needs; `failures` holds what failed runs said, by goal
 */
export async function pruneFamily(name, golden, folder, texts) {
  const source = join(folder, name);
  const how = join(golden, name, 'variant.json');
  const variant = existsSync(how) ? JSON.parse(readFileSync(how, 'utf8')) : null;
  copyGoldenModel(join(golden, name), source);
  const checkpoint = await openCheckpoint(source);
  const { model } = checkpointModel(checkpoint);
  const placements = new Map(describedTensors(model).map((tensor) => [tensor.name, tensor.stored]));
  const { linears: inspected } = await inspect(source);
  const linears = inspected.map((linear) => ({ ...linear, stored: placements.get(`${linear.name}.weight`) }));
  const runs = [];
  const failures = {};
  for (const [goal, prune] of Object.entries(goalsOf(linears))) {
    const output = join(folder, `${name} ${goal.replace(':', 'of')}`);
    try {
      runs.push({ goal, output, ...(await pruneOnce({ source, output, prune, texts, linears })) });
    } catch (error) {
      failures[goal] = String(error.stderr || error.stack).trim();
    }
  }
  const perplexity = runs[0]?.dense;
  return {
    ...{ name, source, text: texts.heldOut, context: CONTEXT, windows: WINDOWS, perplexity, runs, failures },
    ...{ variant, checkpoint, model },
  };
}

async function pruneOnce({ source, output, prune, texts, linears }) {
  const runFile = `${output}.yaml`;
  const config = {
    model: source,
    output,
    calibration: {
      data: texts.calibration,
      samples: WINDOWS,
      sequence_length: CONTEXT,
      bos: 'never',
      experts: { minimum_tokens: 1, fallback: 'magnitude' },
    },
    prune: { method: 'sparsegpt', ...prune },
    evaluation: { data: texts.heldOut, context: CONTEXT, windows: WINDOWS, bos: 'never' },
    resources: { workers: 1 },
  };
  writeFileSync(runFile, JSON.stringify(config));
  const program = join(root, 'dist/cli/main.js');
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'prune', runFile, '--json'], {
    maxBuffer: 2 ** 28,
  });
  const { report } = JSON.parse(stdout);
  const { context, windows, dense, pruned } = report.evaluation;
  if (context !== CONTEXT || windows !== WINDOWS) {
    throw new Error(`evaluated ${windows} windows of ${context} tokens`);
  }
  return {
    linears: report.layers.map(({ name, shape, pattern, zeros }) => {
      const { tensor, stored } = linears.find((linear) => linear.name === name);
      return { name, shape, pattern, zeros, tensor, stored };
    }),
    dense: dense.perplexity,
    perplexity: pruned.perplexity,
  };
}

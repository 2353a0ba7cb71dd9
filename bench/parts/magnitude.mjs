/**
 * Magnitude pruning of a whole checkpoint against copying it: what passes through is the same.
 * @module
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { prune } from '../../dist/index.js';
import { makeSyntheticCheckpoint } from '../../scripts/make-synthetic-checkpoint.mjs';

export const about = 'magnitude pruning of a checkpoint, written and synced : cp and fsync of it';

/** Of the time of a copy. */
const TARGET = 2;
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);

const TWO_OF_FOUR = { name: '2:4, as a process', set: 'pattern: "2:4"', asProcess: true };
/** Of the synthetic checkpoint. */
const CASES = [
  { name: '50 %, as a call', set: 'sparsity: 0.5', asProcess: false },
  { name: '50 %, as a process', set: 'sparsity: 0.5', asProcess: true },
  TWO_OF_FOUR,
];

export async function* rows({ compare, folder, quick, checkpoints }) {
  const synthetic = join(folder, 'checkpoint');
  makeSyntheticCheckpoint({
    shape: 'llama-2-7b',
    out: synthetic,
    blocks: quick ? 1 : 5,
    vocabulary: quick ? 4096 : 16_000,
  });
  const cases = [
    ...CASES.map((each) => ({ ...each, source: synthetic })),
    ...checkpoints.map((path) => {
      const source = resolve(path);
      return { ...TWO_OF_FOUR, source, name: `${basename(source)}, ${TWO_OF_FOUR.name}` };
    }),
  ];
  const output = join(folder, 'pruned');
  const copy = join(folder, 'copy');
  const prepare = async () => {
    rmSync(output, { recursive: true, force: true });
    rmSync(copy, { recursive: true, force: true });
    // What others have written waits for the disk too; it shall not wait in our time.
    await run('sync');
  };
  try {
    for (const { name, set, asProcess, source } of cases) {
      const runFile = join(folder, 'run.yaml');
      writeFileSync(runFile, `model: ${source}\noutput: ${output}\nprune: {method: magnitude, ${set}}\n`);
      const comparison = await compare({
        prepare,
        part: () => (asProcess ? run(process.execPath, [MAIN, 'prune', runFile]) : prune(runFile)),
        limit: () => copyAndSync(source, copy),
      });
      const gigabytes = weightBytes(source) / 1e9;
      const speed = gigabytes / comparison.seconds.median;
      yield {
        name: `${gigabytes.toFixed(1)} GB, ${name} (${speed.toFixed(2)} GB/s)`,
        target: TARGET,
        ...comparison,
        // The copy is another process's work.
        processorRatio: null,
      };
    }
  } finally {
    for (const path of [synthetic, output, copy]) rmSync(path, { recursive: true, force: true });
  }
}

function weightBytes(folder) {
  const shards = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  return shards.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function copyAndSync(from, to) {
  mkdirSync(to);
  await run('cp', ['-r', `${from}/.`, to]);
  for (const name of [...readdirSync(to), '.']) {
    const handle = await open(join(to, name), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

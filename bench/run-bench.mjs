// npm run bench -- [--only PART]… [--checkpoint FOLDER]… [--quick] [--json FILE]: every hot part against its own limit, as
// a ratio of times measured in turns (1: as fast as the limit); magnitude also on the checkpoints that are given. Prints a table and writes JSON. Where other processes keep the processors
// busy (column "others"), times say little, and the ratio of this process's processor time (column "CPU ratio") more.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { automaticWorkers, WorkerPool } from '../dist/runtime/worker-pool.js';
import { version } from '../dist/version.js';
import { compare } from './lib/compare.mjs';
import { renderTable } from './lib/table.mjs';
import * as dtypes from './parts/dtypes.mjs';
import * as forward from './parts/forward.mjs';
import * as forwardAndGram from './parts/forward-and-gram.mjs';
import * as gradient from './parts/gradient.mjs';
import * as gram from './parts/gram.mjs';
import * as magnitude from './parts/magnitude.mjs';
import * as masks from './parts/masks.mjs';
import * as sparsegpt from './parts/sparsegpt.mjs';

/**
 * @typedef {import('./lib/compare.mjs').Comparison & {name: string, target: number | null, met: boolean | null}} Row
 *   target: largest ratio that is good enough
 * @typedef {{name: string, about: string, rows: Row[]}} Result
 */

const PARTS = {
  forward,
  gram,
  'forward-and-gram': forwardAndGram,
  gradient,
  dtypes,
  masks,
  sparsegpt,
  magnitude,
};
const root = fileURLToPath(new URL('..', import.meta.url));

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      checkpoint: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: join(root, 'bench/results/latest.json') },
      folder: { type: 'string' },
    },
  });
  const names = values.only ?? Object.keys(PARTS);
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: parts are ${Object.keys(PARTS).join(', ')}`);
  // Below the repository rather than in the system's temporary folder, which may be memory.
  const folders = values.folder ?? join(root, 'out');
  mkdirSync(folders, { recursive: true });
  const folder = mkdtempSync(join(folders, 'bench-'));
  const started = new Date();
  const load = loadavg()[0];
  const results = [];
  try {
    for (const name of names) results.push(await measurePart(name, folder, values));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(`\n${renderTable(results)}`);
  const processors = cpus();
  const report = {
    version: 1,
    secateur: version,
    node: process.versions.node,
    machine: { cpu: processors[0]?.model.trim(), cores: processors.length, memory_bytes: totalmem() },
    workers: automaticWorkers(),
    quick: values.quick,
    started: started.toISOString(),
    seconds: (Date.now() - started.getTime()) / 1000,
    load_before: load,
    parts: results,
  };
  mkdirSync(dirname(values.json), { recursive: true });
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`\nwritten to ${values.json}\n`);
}

/** @returns {Promise<Result>} */
async function measurePart(name, folder, { quick, checkpoint: checkpoints }) {
  const { about, rows } = PARTS[name];
  // One thread, and all of them; a machine with one has one pool.
  const sizes = [...new Set([1, automaticWorkers()])];
  const pools = sizes.map((size) => new WorkerPool(size));
  const measured = [];
  try {
    const context = { pools, folder, quick, checkpoints, compare: (pair) => compare(pair, { quick }) };
    for await (const { target = null, ...row } of rows(context)) {
      const met = target === null ? null : row.ratio.median <= target;
      measured.push({ ...row, target, met });
      const verdict = target === null ? '' : met ? ', met' : `, NOT MET (${target.toFixed(2)})`;
      process.stderr.write(`${name}: ${row.name}: ${row.ratio.median.toFixed(2)}${verdict}\n`);
    }
  } finally {
    await Promise.all(pools.map((pool) => pool.close()));
  }
  return { name, about, rows: measured };
}

main().catch((error) => {
  process.stderr.write(`${error.stack ?? error.message}\n`);
  process.exitCode = 1;
});

/**
 * `npm run bench:peers`: secateur, llm-compressor and the papers' published code on the same checkpoint, tokens, threads
 * and machine. See README.md beside this file.
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CASES } from './cases.mjs';
import { compare, tables } from './compare.mjs';
import { CONTESTANTS } from './contestants.mjs';
import { ensureEnvironment, ensurePublished } from './environment.mjs';
import { evaluate } from './evaluate.mjs';
import { describeMachine, readThrough, watchMachine } from './machine.mjs';
import { readOptions, UsageError, usage } from './options.mjs';
import { runMeasured } from './processes.mjs';
import { ResultsFile } from './results-file.mjs';
import { exportWindows } from './windows.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Share of the cores' time used by others from which a timing is called into question. */
const QUIET = 0.1;

const say = (line) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

function versionOf(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** SHA-256 over the built program: what is measured is what lies in dist. */
function builtHash() {
  const hash = createHash('sha256');
  const names = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((each) => /\.(js|wasm)$/.test(each)).sort()) {
    hash.update(name).update(readFileSync(join(root, 'dist', name)));
  }
  return hash.digest('hex');
}

function ownVersions() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const onnxruntime = versionOf('onnxruntime-node');
  return { secateur: version, dist_sha256: builtHash(), node: process.versions.node, onnxruntime };
}

/** What the peers need; a peer whose preparation fails keeps the reason, and the others go on. */
async function prepare(options, logs) {
  const failures = {};
  const prepared = { python: 'python3', published: options.published, versions: {} };
  if (options.peers.length > 0) {
    try {
      const { python, versions } = await ensureEnvironment(options.venv, logs, say);
      Object.assign(prepared, { python });
      prepared.versions.python = versions;
    } catch (error) {
      for (const peer of options.peers) failures[peer] = error.message;
    }
  }
  if (options.peers.includes('published')) {
    try {
      prepared.versions.published = await ensurePublished(options.published, logs, say);
    } catch (error) {
      failures.published = error.message;
    }
  }
  return { ...prepared, failures };
}

/** Who prunes what in which order: the order turns around from case to case, so that a drift hits all alike. */
function schedule({ cases, peers, repeat }) {
  const contestants = ['secateur', ...peers];
  return Array.from({ length: repeat }, (_, round) =>
    cases.flatMap((each, index) => {
      const order = (round + index) % 2 === 0 ? contestants : contestants.toReversed();
      return order.map((peer) => ({ peer, case: each, repeat: round + 1 }));
    }),
  ).flat();
}

const checkpointOf = (work, peer, name) => join(work, `${peer}-${name}`);

async function pruneOnce(job, options, prepared, windows) {
  const { peer, case: each } = job;
  const folder = join(options.work, 'logs', `${peer}-${each.name}-${job.repeat}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const target = checkpointOf(options.work, peer, each.name);
  const output = `${target}.partial`;
  rmSync(output, { recursive: true, force: true });
  const { python, published } = prepared;
  const { settings } = options;
  const { command, stdout, env, readSeconds } = CONTESTANTS[peer](each, {
    settings,
    output,
    folder,
    python,
    published,
    windows,
  });
  await readThrough(settings.model);
  const conditions = await watchMachine();
  if (conditions.busy > QUIET) {
    say(`others use ${(100 * conditions.busy).toFixed(0)} % of the cores; this timing means little`);
  }
  const started = new Date().toISOString();
  const measured = await runMeasured(python, command, {
    measured: join(folder, 'measured.json'),
    log: join(folder, 'log.txt'),
    seconds: options.timeLimit,
    ...(stdout && { stdout }),
    ...(env && { env }),
  });
  const details = readSeconds();
  rmSync(target, { recursive: true, force: true });
  renameSync(output, target);
  return { status: 'ok', started, conditions, ...measured, ...details };
}

/** @throws {Error} when the program that is measured is no longer the one that the results are said to be of */
function checkBuild(results) {
  if (builtHash() !== results.document.versions.dist_sha256) {
    throw new Error('dist was built anew while it was measured; leave it alone and start again');
  }
}

/** Does `work` and adds what it gives, or why it failed, to the results. */
async function record(results, list, keys, title, work) {
  try {
    const entry = await work();
    checkBuild(results);
    results.add(list, keys, entry);
    const { wall_seconds: wall, peak_rss_bytes: peak, perplexity } = entry;
    say(
      list === 'runs'
        ? `${title}: ${wall.toFixed(1)} s, ${(peak / 1e6).toFixed(0)} MB`
        : `${title}: perplexity ${perplexity.toFixed(3)}`,
    );
    return true;
  } catch (error) {
    results.add(list, keys, { status: 'failed', error: error.message });
    say(`${title}: failed: ${error.message}`);
    return false;
  }
}

async function pruneAll(results, options, prepared, windows) {
  let complete = true;
  for (const job of schedule(options)) {
    const { peer, case: each, repeat } = job;
    const keys = { peer, case: each.name, repeat };
    const title = `${each.name} by ${peer}${options.repeat > 1 ? `, ${repeat} of ${options.repeat}` : ''}`;
    const judged =
      !options.settings.evaluation ||
      results.finished('evaluations', { peer, case: each.name }) ||
      existsSync(checkpointOf(options.work, peer, each.name));
    if (results.finished('runs', keys) && judged) continue;
    say(title);
    const done = await record(results, 'runs', keys, title, async () => {
      if (prepared.failures[peer]) throw new Error(prepared.failures[peer]);
      return await pruneOnce(job, options, prepared, windows);
    });
    complete &&= done;
  }
  return complete;
}

async function evaluateAll(results, options) {
  let complete = true;
  const { settings, work } = options;
  const all = [
    { peer: 'dense', name: null, checkpoint: settings.model },
    ...options.cases.flatMap(({ name, pattern }) =>
      ['secateur', ...options.peers].map((peer) => ({
        peer,
        name,
        pattern,
        checkpoint: checkpointOf(work, peer, name),
      })),
    ),
  ];
  for (const { peer, name, pattern, checkpoint } of all) {
    const keys = { peer, case: name };
    if (results.finished('evaluations', keys) || !existsSync(checkpoint)) continue;
    const title = name === null ? 'evaluation of the dense model' : `evaluation of ${name} by ${peer}`;
    say(title);
    const folder = join(work, 'logs', `evaluation-${peer}${name === null ? '' : `-${name}`}`);
    mkdirSync(folder, { recursive: true });
    const done = await record(results, 'evaluations', keys, title, async () => ({
      status: 'ok',
      ...(await evaluate(checkpoint, pattern, settings, folder)),
    }));
    complete &&= done;
    if (done && name !== null && !options.keep) rmSync(checkpoint, { recursive: true, force: true });
  }
  return complete;
}

function summarise(results) {
  const { document } = results;
  const involved = (field) => new Set(document.runs.map((entry) => entry[field]));
  const [peers, names] = [involved('peer'), involved('case')];
  const cases = CASES.filter(({ name }) => names.has(name));
  const others = Object.keys(CONTESTANTS).filter((peer) => peer !== 'secateur' && peers.has(peer));
  document.comparisons = others.flatMap((peer) =>
    cases.flatMap((each) => compare(document.runs, document.evaluations, peer, each) ?? []),
  );
  results.save();
  process.stdout.write(`${tables(document, cases, others)}\n`);
}

async function main() {
  const options = readOptions(process.argv.slice(2), root, process.cwd());
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const logs = join(options.work, 'logs');
  mkdirSync(logs, { recursive: true });
  const windows = join(options.work, 'windows.json');
  const tokens = await exportWindows(options.settings, windows);
  const results = ResultsFile.open(
    options.out,
    { settings: options.settings, tokens, machine: describeMachine(), versions: ownVersions() },
    options,
  );
  const prepared = await prepare(options, logs);
  results.document.peer_versions = { ...results.document.peer_versions, ...prepared.versions };
  results.save();
  if (options.fresh) {
    for (const { name } of CASES) {
      for (const peer of Object.keys(CONTESTANTS)) {
        rmSync(checkpointOf(options.work, peer, name), { recursive: true, force: true });
      }
    }
  }

  const pruned = await pruneAll(results, options, prepared, windows);
  const evaluated = options.settings.evaluation ? await evaluateAll(results, options) : true;
  summarise(results);
  say(`results: ${options.out}`);
  return pruned && evaluated ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const ours = error instanceof UsageError || error?.exitCode === 2;
  process.stderr.write(`error: ${ours ? error.message : error.stack}\n`);
  process.exitCode = ours ? 2 : 1;
}

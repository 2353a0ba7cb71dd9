/**
 * The command line of `npm run bench:peers`.
 * @module
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES, PEERS } from './cases.mjs';

/** A command line that cannot be followed; the message says why. */
export class UsageError extends Error {}

export const usage = `usage: npm run bench:peers -- [options]

  --model FOLDER            checkpoint of the Llama family          (models/smollm2-135m)
  --calibration FILE        .txt or .jsonl                          (data/c4-sample.txt)
  --samples N               calibration windows                     (128)
  --sequence-length N       tokens a window                         (512)
  --eval FILE               text for the perplexities, or "none"    (data/wikitext-2.test.txt)
  --context N               tokens a window of it                   (2048)
  --windows N               how many of its windows                 (20)
  --only NAME               ${CASES.map(({ name }) => name).join(', ')},
                            or a method; repeatable                 (all)
  --peers A,B               ${PEERS.join(', ')}; "" for none     (all)
  --repeat N                how often each is run                   (1)
  --threads N               of every peer                           (all cores)
  --batch-size N            windows a batch of llm-compressor       (1, its default)
  --time-limit SECONDS      of one process; it fails beyond         (7200)
  --venv FOLDER             the Python environment, made if absent  (bench/.venv)
  --published FOLDER        sparsegpt/ and wanda/ as published, fetched if absent  (bench/.published)
  --work FOLDER             checkpoints and logs                    (out/bench-peers)
  --out FILE                results, JSON                           (WORK/results.json)
  --resume                  go on with the results in FILE
  --fresh                   throw the results in FILE away
  --keep                    keep the pruned checkpoints
`;

function positive(values, key) {
  const value = Number(values[key]);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`--${key}: expected a whole number above 0, found ${values[key]}`);
  }
  return value;
}

function chosenCases(only) {
  if (only === undefined) return CASES;
  for (const name of only) {
    if (!CASES.some((each) => each.name === name || each.method === name)) {
      throw new UsageError(`--only: expected a case or a method, found ${name}`);
    }
  }
  return CASES.filter(({ name, method }) => only.includes(name) || only.includes(method));
}

function chosenPeers(text) {
  const names = text.split(',').filter((name) => name !== '');
  for (const name of names) {
    if (!PEERS.includes(name)) throw new UsageError(`--peers: expected ${PEERS.join(', ')}, found ${name}`);
  }
  return PEERS.filter((name) => names.includes(name));
}

function existing(path, key, kind) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!(kind === 'folder' ? stats?.isDirectory() : stats?.isFile())) {
    throw new UsageError(`--${key}: no such ${kind}: ${path}`);
  }
  return path;
}

function fileHash(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** @typedef {Extract<ReturnType<typeof readOptions>, {help: false}>['settings']} Settings */

/**
 * @param {readonly string[]} args what follows the script's name
 * @param {string} root the repository, which the defaults are in
 * @param {string} cwd which the paths given are relative to
 * @returns the options; `settings` are those that decide the figures: results are comparable only when they agree
 * @throws {UsageError}
 */
export function readOptions(args, root, cwd) {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        model: { type: 'string' },
        calibration: { type: 'string' },
        samples: { type: 'string', default: '128' },
        'sequence-length': { type: 'string', default: '512' },
        eval: { type: 'string' },
        context: { type: 'string', default: '2048' },
        windows: { type: 'string', default: '20' },
        only: { type: 'string', multiple: true },
        peers: { type: 'string', default: PEERS.join(',') },
        repeat: { type: 'string', default: '1' },
        threads: { type: 'string', default: String(availableParallelism()) },
        'batch-size': { type: 'string', default: '1' },
        'time-limit': { type: 'string', default: '7200' },
        venv: { type: 'string' },
        published: { type: 'string' },
        work: { type: 'string' },
        out: { type: 'string' },
        resume: { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (cause) {
    throw new UsageError(cause.message, { cause });
  }
  if (values.help) return { help: /** @type {const} */ (true) };
  if (values.resume && values.fresh) throw new UsageError('--resume and --fresh exclude each other');
  const path = (key, byDefault) =>
    values[key] === undefined ? resolve(root, byDefault) : resolve(cwd, values[key]);

  const model = existing(path('model', 'models/smollm2-135m'), 'model', 'folder');
  const calibration = existing(path('calibration', 'data/c4-sample.txt'), 'calibration', 'file');
  const evaluation =
    values.eval === 'none' ? null : existing(path('eval', 'data/wikitext-2.test.txt'), 'eval', 'file');
  const work = path('work', 'out/bench-peers');
  return {
    help: /** @type {const} */ (false),
    settings: {
      model,
      calibration,
      calibration_sha256: fileHash(calibration),
      samples: positive(values, 'samples'),
      sequence_length: positive(values, 'sequence-length'),
      evaluation: evaluation && {
        data: evaluation,
        data_sha256: fileHash(evaluation),
        context: positive(values, 'context'),
        windows: positive(values, 'windows'),
      },
      threads: positive(values, 'threads'),
      batch_size: positive(values, 'batch-size'),
    },
    cases: chosenCases(values.only),
    peers: chosenPeers(values.peers),
    repeat: positive(values, 'repeat'),
    timeLimit: positive(values, 'time-limit'),
    venv: path('venv', 'bench/.venv'),
    published: path('published', 'bench/.published'),
    work,
    out: values.out === undefined ? resolve(work, 'results.json') : resolve(cwd, values.out),
    resume: values.resume,
    fresh: values.fresh,
    keep: values.keep,
  };
}

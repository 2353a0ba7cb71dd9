/**
 * How each contestant prunes: its command, and the seconds it reports of its parts.
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './environment.mjs';

/** The command line program of this repository. */
export const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

function secateur({ method, pattern }, context) {
  const { settings, output, folder } = context;
  const runFile = join(folder, 'run.yaml');
  const stdout = join(folder, 'stdout.json');
  const run = {
    model: settings.model,
    output,
    calibration: {
      data: settings.calibration,
      samples: settings.samples,
      sequence_length: settings.sequence_length,
      windows: 'contiguous',
    },
    prune: {
      method,
      ...(pattern ? { pattern } : { sparsity: 0.5 }),
      ...(method === 'sparsegpt' && { options: { damping: 0.01, block_size: 128 } }),
    },
    resources: { workers: settings.threads },
  };
  writeFileSync(runFile, JSON.stringify(run, null, 2)); // JSON is YAML
  return {
    command: [process.execPath, cli, 'prune', runFile, '--fresh', '--json'],
    stdout,
    readSeconds() {
      const { report } = JSON.parse(readFileSync(stdout, 'utf8'));
      const seconds = { prune: report.run.prune_seconds, command: report.run.seconds };
      return { seconds, phases: report.phases, notes: report.notes };
    },
  };
}

function pythonPeer(file, extra) {
  return ({ method, pattern }, context) => {
    const { settings, output, folder, python, windows } = context;
    const result = join(folder, 'result.json');
    return {
      command: [
        python,
        script(file),
        ...['--model', settings.model, '--method', method, '--calibration', settings.calibration],
        ...[
          '--windows',
          windows,
          '--output',
          output,
          '--threads',
          String(settings.threads),
          '--result',
          result,
        ],
        ...(pattern ? ['--pattern', pattern] : []),
        ...extra(context),
      ],
      env: pythonEnvironment(settings.threads),
      readSeconds: () => JSON.parse(readFileSync(result, 'utf8')),
    };
  };
}

/**
 * By name: (case, context) → `command`, what to run it with, and `readSeconds()` for afterwards: `seconds.prune` is
 * without start-up, loading of libraries and, for the Python peers, of the model, tokenising and writing.
 */
export const CONTESTANTS = {
  secateur,
  llmcompressor: pythonPeer('llm_compressor.py', ({ settings }) => [
    '--batch-size',
    String(settings.batch_size),
  ]),
  published: pythonPeer('published.py', ({ published }) => ['--repositories', published]),
};

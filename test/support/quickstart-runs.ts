/** Whole runs on the quickstart model, or on its first blocks. @module */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { RequestError } from '../../src/index.js';
import { makeShallowModel } from './shallow-model.js';
import { writeShortText } from './short-text.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Six blocks in two shards. */
export const quickstart = join(root, 'models/quickstart');

/** Weights of a block's linears. */
export const BLOCK_WEIGHTS = 393_216;

export interface Changes {
  model?: string;
  output?: string;
  prune?: string;
  calibration?: string | null;
  evaluation?: string;
  resources?: string;
  rest?: string;
}

export interface QuickstartRuns {
  /** Removed after the tests of the file. */
  readonly folder: string;
  /** The model's first blocks, in one shard. */
  readonly shallow: string;
  /** Calibration text. */
  readonly text: string;
  /** Writes a run file with small, quick settings, on the shallow model; one worker, since two files are tested at once. */
  runFile(changes?: Changes): { path: string; output: string };
  /** A path in the folder that nothing has yet. */
  newPath(name: string): string;
}

export function quickstartRuns(blocks = 2): QuickstartRuns {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const shallow = join(folder, 'shallow');
  makeShallowModel(quickstart, shallow, blocks);
  const text = writeShortText(folder);
  let count = 0;
  const newPath = (name: string) => join(folder, `${name}-${count++}`);
  const runFile = (changes: Changes = {}) => {
    const path = `${newPath('run')}.yaml`;
    const output = changes.output ?? newPath('out');
    const { calibration = `{data: ${text}, samples: 6, sequence_length: 64}` } = changes;
    writeFileSync(
      path,
      [
        `model: ${changes.model ?? shallow}`,
        `output: ${output}`,
        calibration === null ? '' : `calibration: ${calibration}`,
        `prune: ${changes.prune ?? '{method: sparsegpt, sparsity: 0.5}'}`,
        changes.evaluation ? `evaluation: ${changes.evaluation}` : '',
        `resources: ${changes.resources ?? '{workers: 1}'}`,
        changes.rest ?? '',
      ].join('\n'),
    );
    return { path, output };
  };
  return { folder, shallow, text, runFile, newPath };
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** SHA-256 of every file of a checkpoint, without the run's own folder. */
export function fileHashes(output: string): Record<string, string> {
  const names = readdirSync(output, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(names.map(({ name }) => [name, sha256(readFileSync(join(output, name)))]));
}

/** SHA-256 of every tensor of a checkpoint. */
export function tensorHashes(output: string): Record<string, string> {
  const shards = readdirSync(output).filter((name) => name.endsWith('.safetensors'));
  return Object.fromEntries(
    shards.flatMap((shard) => {
      const path = join(output, shard);
      const file = readFileSync(path);
      return [...readSafetensorsHeader(path).tensors].map(([name, { offset, bytes }]) => [
        name,
        sha256(file.subarray(offset, offset + bytes)),
      ]);
    }),
  );
}

/** The words with which a request is refused. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RequestError);
  return (error as Error).message;
}

/** Runs of the program as processes of their own, with faults. @module */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { prune } from '../../src/index.js';
import { writeShortText } from '../support/short-text.js';
import { writeTinyModel } from './tiny-model.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const injector = fileURLToPath(new URL('../support/inject-faults.mjs', import.meta.url));

/** A rule of `test/support/inject-faults.mjs`. */
export interface Fault {
  readonly call: string;
  readonly path?: string;
  readonly nth?: number;
  readonly thread?: 'main' | 'worker';
  readonly effect: Readonly<Record<string, unknown>>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly faults?: readonly Fault[];
  readonly sets?: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly fresh?: boolean;
  /** The folder that runs share. */
  readonly reuse?: string;
  /** A shell command that runs before the program takes the shell's place. */
  readonly shell?: string;
  onStderr?(text: string, child: ChildProcess): void;
}

/** A folder with a model and a run file, and what an undisturbed run makes of it. */
export class Workplace {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'secateur-reliability-')));
  readonly model = join(this.folder, 'model');
  readonly runFile = join(this.folder, 'run.yaml');
  readonly #source: Record<string, string>;
  readonly #undisturbed = new Map<string, Promise<Record<string, string>>>();
  #count = 0;

  /** @param writeModel puts the model into a folder that isn't there yet */
  constructor(writeModel: (folder: string) => void = writeTinyModel) {
    writeModel(this.model);
    this.#source = hashes(this.model);
    writeFileSync(
      this.runFile,
      [
        `model: ${this.model}`,
        `output: ${join(this.folder, 'unused')}`,
        `calibration: {data: ${writeShortText(this.folder)}, samples: 4, sequence_length: 32}`,
        'prune: {method: sparsegpt, sparsity: 0.5}',
        'write: {max_shard_size: 120KB}',
        // One, so that the nth call of a thread is always the same.
        'resources: {workers: 1}',
      ].join('\n'),
    );
  }

  output(): string {
    return join(this.folder, `output-${this.#count++}`);
  }

  /** `secateur prune` to its end. */
  prune(output: string, options: StartOptions = {}): Promise<Ended> {
    const { faults = [], sets = [], nodeOptions = [], fresh, reuse, shell, onStderr } = options;
    const args = [
      ...nodeOptions,
      ...(faults.length > 0 ? ['--import', injector] : []),
      ...[main, 'prune', this.runFile, ...(fresh ? ['--fresh'] : [])],
      ...(reuse === undefined ? [] : ['--reuse', reuse]),
      ...[`output=${output}`, ...sets].flatMap((set) => ['--set', set]),
    ];
    const command = shell ? ['sh', '-c', `${shell} && exec "$0" "$@"`, process.execPath] : [process.execPath];
    const child = spawn(command[0] as string, [...command.slice(1), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', SECATEUR_FAULTS: JSON.stringify(faults) },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
      onStderr?.(stderr, child);
    });
    return new Promise((resolve) =>
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
    );
  }

  /** A plain `prune`, in this process, finishes with the bytes of an undisturbed run; the source is untouched. */
  async expectFinishes(output: string, sets: readonly string[] = []): Promise<void> {
    expect(hashes(this.model)).toEqual(this.#source);
    const result = await prune(this.runFile, { set: [`output=${output}`, ...sets] });
    expect(result.alreadyDone).toBe(false);
    await this.expectFinished(output, sets);
  }

  async expectFinished(output: string, sets: readonly string[] = []): Promise<void> {
    expect(hashes(output)).toEqual(await this.#reference(sets));
    expect(readdirSync(join(output, 'secateur')).sort()).toEqual(RUN_FILES);
  }

  #reference(sets: readonly string[]): Promise<Record<string, string>> {
    const key = sets.join(' ');
    let reference = this.#undisturbed.get(key);
    if (!reference) {
      const output = this.output();
      reference = prune(this.runFile, { set: [`output=${output}`, ...sets] }).then(() => hashes(output));
      this.#undisturbed.set(key, reference);
    }
    return reference;
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** SHA-256 by relative name of every file, without the run's own folder. */
export function hashes(folder: string): Record<string, string> {
  const names = (readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => !name.startsWith('secateur'))
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return Object.fromEntries(names.map((name) => [name, hash(name)]));
}

/** What a finished run leaves in its own folder. */
const RUN_FILES = ['journal.jsonl', 'report.html', 'report.json', 'run.yaml'];

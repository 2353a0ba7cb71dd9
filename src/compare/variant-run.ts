/**
 * The run of a variant in a comparison's output: its folder, its run file, and whose it is.
 * @module
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { fileError } from '../checkpoint/file-error.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import {
  INDEX_FILE_NAME,
  MAX_INDEX_BYTES,
  parseShardIndex,
  SINGLE_FILE_NAME,
} from '../checkpoint/shard-index.js';
import { maximumRunFileBytes } from '../config/load-run-file.js';
import type { RunConfig } from '../config/run-schema.js';
import { stringifyRunConfig } from '../config/stringify-run-config.js';
import {
  type ClaimedFolder,
  claimOutputFolder,
  OUR_WEIGHTS,
  RUN_FOLDER,
  removeEmptyFolders,
  removeNewRun,
} from '../pipeline/output/output-folder.js';
import { comparisonFiles } from './comparison-files.js';

/** The line of a run file that says who began the run in its folder, and what decides its weights. */
const MARK = /^# (Made|Found) by secateur compare: ([0-9a-f]{64})$/m;

export class VariantRun {
  /** Of the folder, within the comparison's output. */
  readonly name: string;
  readonly folder: string;
  readonly runFile: string;
  readonly #runs: string;
  readonly #fingerprint: string;

  /**
   * @param output of the comparison
   * @param name of the run's folder in it, unless another run of ours has it: then there is a part of the fingerprint behind it
   * @param fingerprint of all that decides what the run writes
   */
  constructor(output: string, name: string, fingerprint: string) {
    const { runs } = comparisonFiles(output);
    const mark = existsSync(join(output, name, RUN_FOLDER)) ? markOf(runFileOf(runs, name)) : undefined;
    const isTaken = mark?.maker === 'Made' && mark.fingerprint !== fingerprint;
    this.name = isTaken ? `${name}-${fingerprint.slice(0, 8)}` : name;
    this.folder = join(output, this.name);
    this.runFile = runFileOf(runs, this.name);
    this.#runs = runs;
    this.#fingerprint = fingerprint;
  }

  /** Whether the comparison made the run that is there, or none is. */
  get isOurs(): boolean {
    return !existsSync(join(this.folder, RUN_FOLDER)) || markOf(this.runFile)?.maker === 'Made';
  }

  /** Whether what is there was made with this fingerprint, and all of its weights are kept. */
  get hasWeights(): boolean {
    if (markOf(this.runFile)?.fingerprint !== this.#fingerprint) return false;
    if (existsSync(join(this.folder, SINGLE_FILE_NAME))) return true;
    const index = join(this.folder, INDEX_FILE_NAME);
    if (!existsSync(index)) return false;
    const files = new Set(parseShardIndex(readSmallFile(index, MAX_INDEX_BYTES), index).values());
    return [...files].every((name) => existsSync(join(this.folder, name)));
  }

  /**
   * Writes the run file. What somebody else made in the folder is left to the run, which uses it or refuses.
   * @throws RequestError or RunError when a file can't be written or read
   */
  async begin(config: RunConfig): Promise<void> {
    const { isOurs, folder } = this;
    makeFolder(this.#runs);
    const mark = `# ${isOurs ? 'Made' : 'Found'} by secateur compare: ${this.#fingerprint}\n`;
    await writeFileAtomically(this.runFile, mark + stringifyRunConfig({ ...config, output: folder }));
  }

  /** Removes the weights, and leaves the report. @throws RequestError or RunError when one can't be removed */
  removeWeights(): void {
    if (!existsSync(this.folder)) return;
    const weights = readdirSync(this.folder).filter(
      (name) => OUR_WEIGHTS.test(name) && name.endsWith('.safetensors'),
    );
    for (const name of weights) {
      const path = join(this.folder, name);
      try {
        rmSync(path, { force: true });
      } catch (error) {
        throw fileError(error, 'remove', path);
      }
    }
  }
}

function runFileOf(runs: string, name: string): string {
  return join(runs, `${name}.yaml`);
}

function markOf(runFile: string): { readonly maker: string; readonly fingerprint: string } | undefined {
  if (!existsSync(runFile)) return undefined;
  const text = new TextDecoder().decode(readSmallFile(runFile, maximumRunFileBytes));
  const [, maker, fingerprint] = MARK.exec(text) ?? [];
  return maker === undefined || fingerprint === undefined ? undefined : { maker, fingerprint };
}

/** The folders of runs, that nobody else writes into until they are released. */
export interface ClaimedRuns {
  /** Removes the runs, whoever made them. @throws RequestError or RunError when a file can't be removed */
  remove(): void;
  /** Lets others in, and removes folders that have nothing in them. */
  release(): void;
}

/** @throws RequestError when a run has one of the folders */
export function claimRuns(runs: readonly VariantRun[]): ClaimedRuns {
  const folders = runs.map(({ folder }) => folder).filter((folder) => existsSync(join(folder, RUN_FOLDER)));
  const claims: ClaimedFolder[] = [];
  const release = () => {
    for (const claim of claims) claim.release();
    for (const folder of folders) removeEmptyFolders(folder);
  };
  try {
    for (const folder of folders) claims.push(claimOutputFolder(folder));
  } catch (error) {
    release();
    throw error;
  }
  return {
    remove() {
      for (const folder of folders) removeNewRun(folder);
    },
    release,
  };
}

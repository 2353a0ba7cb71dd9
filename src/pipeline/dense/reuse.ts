/**
 * What runs may take from each other: what they learn of the dense model, which doesn't depend on what they make of it. It
 * lies in a folder, under names that hold a fingerprint of all that decides it.
 * @module
 */
import { existsSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { fingerprintTokens } from '../../calibration/fingerprint-tokens.js';
import { firstTokens } from '../../calibration/first-tokens.js';
import { fileError } from '../../checkpoint/file-error.js';
import { makeFolder } from '../../checkpoint/make-folder.js';
import { formatSeconds } from '../../report/format.js';
import type { Cost } from '../../report/report-schema.js';
import { onnxruntimeVersion } from '../../runtime/onnxruntime-version.js';
import { lockFile } from '../../system/file-lock.js';
import { peakRssBytes } from '../../system/peak-rss-bytes.js';
import { waitForLock } from '../../system/wait-for-lock.js';
import { removeEmptyFolders } from '../output/output-folder.js';
import { totalCost } from '../output/total-cost.js';
import { type FingerprintParts, fingerprint, SOURCE_WEIGHTS } from '../prepare/fingerprint.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import type { PhaseTimer } from '../progress/phase-timer.js';
import { GradientFile, gradientFileBytes } from './gradient-file.js';
import { normsBytes } from './norms-file.js';
import { type Reused, ReusedFile } from './reused-file.js';

/** Parts of a run's fingerprint that say what the dense model is, and what is done with experts that starve. */
const DENSE_PARTS = ['version', 'source checkpoint', 'config.json', SOURCE_WEIGHTS, 'calibration.experts'];

export interface ReuseOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of another run that is waited for. */
  readonly onNote: (message: string) => void;
}

/** What is to be known of a file that was just made. */
export type Measured = Omit<Reused, 'peak_rss_bytes'>;

/** A run's share of the folder. */
export class Reuse {
  /** Absolute. */
  readonly folder: string;
  /** The moments of the dense model's gradients, where the run asks for them. */
  readonly gradients: ReusedFile | undefined;
  /** Column norms of what the dense model's linears read, where the allocation asks for them. */
  readonly norms: ReusedFile | undefined;
  /** What the report is to say. */
  readonly notes: string[] = [];
  readonly #found: Reused[] = [];
  readonly #options: ReuseOptions;

  constructor(folder: string, run: PreparedRun, options: ReuseOptions) {
    this.folder = folder;
    this.#options = options;
    const { calibration, gradients, allocation, layers } = run;
    if (calibration && gradients) {
      const parts = {
        holds: new GradientFile(folder, run).fingerprint,
        tokens: fingerprintTokens(firstTokens(calibration, gradients)),
      };
      const bytes = gradientFileBytes(run);
      this.gradients = new ReusedFile(folder, 'gradients', denseFingerprint(run, parts), bytes);
    }
    if (calibration && allocation.windows > 0) {
      const { windows } = allocation;
      const { sequenceLength } = calibration;
      const sharing = layers.filter(({ shares }) => shares);
      const parts = {
        windows,
        sequenceLength,
        tokens: fingerprintTokens(calibration.tokens.subarray(0, windows * sequenceLength)),
        linears: sharing.map(({ name, linear }) => [name, linear.in]),
        // Earlier files named no starved experts.
        holds: 'norms, starved experts',
      };
      this.norms = new ReusedFile(folder, 'norms', denseFingerprint(run, parts), normsBytes(layers));
    }
  }

  /** What earlier runs took to measure what this one found; undefined where it found nothing. */
  get taken(): Cost | undefined {
    return totalCost(this.#found);
  }

  /** Bytes of disk that the run would still write into the folder. */
  get bytesToWrite(): number {
    return (this.gradients?.bytesToWrite ?? 0) + (this.norms?.bytesToWrite ?? 0);
  }

  /**
   * What is known of a file, which is made where there is none that is whole. A run that is just making it is waited for.
   *
   * @param what as it is called in messages
   * @param timer told how long looking for it and describing it take
   * @param make leaves the content under the file's path, on the disk
   * @throws RequestError or RunError when the folder can't be written or read; what `make` throws
   */
  async take(
    file: ReusedFile,
    what: string,
    timer: Pick<PhaseTimer, 'time'>,
    make: () => Promise<Measured>,
  ): Promise<Measured> {
    const { signal, onNote } = this.#options;
    makeFolder(this.folder);
    const lock = await timer.time('read', () =>
      waitForLock(() => tryLock(`${file.path}.lock`), {
        signal,
        onWait: (who) => onNote(`${file.path}: ${who} is at it, and is waited for`),
      }),
    );
    if (!lock)
      this.#tell(`${this.folder} has no locks: while this run writes there, start no other that does`);
    try {
      const found = await timer.time('read', () => file.read(signal));
      if (found) {
        this.#found.push(found);
        this.#tell(
          `${what} of the dense model were found in ${this.folder}; measuring them took ${formatSeconds(found.seconds)}, ` +
            'which are not in the times of this run',
        );
        return found;
      }
      file.remove();
      const made = await make();
      const content = { ...made, peak_rss_bytes: peakRssBytes() };
      await timer.time('write', () => file.describe(content, signal));
      return made;
    } finally {
      lock?.release();
    }
  }

  #tell(note: string): void {
    this.notes.push(note);
    this.#options.onNote(note);
  }
}

/** Of what is the same in every run that learns this of the dense model. Another processor may round otherwise. */
function denseFingerprint({ fingerprintParts }: PreparedRun, parts: FingerprintParts): string {
  const dense = DENSE_PARTS.map((name) => [name, fingerprintParts[name]]);
  return fingerprint({
    ...Object.fromEntries(dense),
    onnxruntime: onnxruntimeVersion,
    processor: cpus()[0]?.model,
    ...parts,
  });
}

/** What `Reuse` leaves in a folder: content or description, complete or not, or a lock. */
const REUSE_FILES = /^(gradients|norms)-([0-9a-f]{64})\.(f32|json)(\.tmp|\.lock)?$/;

/**
 * Removes what runs have left for each other in a folder, but what one is just making, and the folder when nothing else is
 * in it.
 * @throws RequestError or RunError when it can't be removed
 */
export function removeReused(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder)) {
    const [, kind, fingerprint] = REUSE_FILES.exec(entry) ?? [];
    if (kind === undefined || fingerprint === undefined) continue;
    const file = new ReusedFile(folder, kind, fingerprint, 0);
    const lock = tryLock(`${file.path}.lock`);
    if (lock.kind === 'locked') continue;
    file.remove();
    if (lock.kind === 'held') lock.release();
  }
  removeEmptyFolders(folder);
}

function tryLock(path: string) {
  try {
    return lockFile(path);
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

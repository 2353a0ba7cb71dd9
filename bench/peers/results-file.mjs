/**
 * The results, on the disk as soon as there are any.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UsageError } from './options.mjs';

/** Results of one set of settings: `runs` of pruning, `evaluations` of what they wrote. */
export class ResultsFile {
  constructor(path, document) {
    this.path = path;
    this.document = document;
  }

  /**
   * Opens the file to go on with it, or begins it.
   * @param {string} path
   * @param {object} head `settings`, `tokens`, `machine` and `versions` of this session
   * @param {{ resume: boolean, fresh: boolean }} options
   * @throws {UsageError} when there are results already and nothing says what to do with them, or they are of other
   *   settings, or of another machine or version
   */
  static open(path, head, { resume, fresh }) {
    const begun = existsSync(path);
    if (begun && !resume && !fresh) {
      throw new UsageError(`${path}: results exist; --resume goes on with them, --fresh throws them away`);
    }
    if (begun && resume) {
      const document = JSON.parse(readFileSync(path, 'utf8'));
      for (const key of Object.keys(head)) {
        if (!isDeepStrictEqual(document[key], JSON.parse(JSON.stringify(head[key])))) {
          throw new UsageError(
            `${path}: these results are of other ${key}: ${JSON.stringify(document[key])} there, ` +
              `${JSON.stringify(head[key])} now; --fresh throws them away`,
          );
        }
      }
      return new ResultsFile(path, document);
    }
    const file = new ResultsFile(path, {
      version: 1,
      started: new Date().toISOString(),
      ...head,
      runs: [],
      evaluations: [],
      comparisons: [],
    });
    file.save();
    return file;
  }

  save() {
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(`${this.path}.tmp`, `${JSON.stringify(this.document, null, 2)}\n`);
    renameSync(`${this.path}.tmp`, this.path);
  }

  /** The entry of `list` with these keys that succeeded. */
  finished(list, keys) {
    return this.document[list].find(
      (entry) => entry.status === 'ok' && Object.entries(keys).every(([key, value]) => entry[key] === value),
    );
  }

  /** Adds an entry in place of one with the same keys; a failure never takes the place of a success. */
  add(list, keys, entry) {
    if (entry.status !== 'ok' && this.finished(list, keys)) return;
    const same = (other) => Object.entries(keys).every(([key, value]) => other[key] === value);
    this.document[list] = [...this.document[list].filter((other) => !same(other)), { ...keys, ...entry }];
    this.save();
  }
}

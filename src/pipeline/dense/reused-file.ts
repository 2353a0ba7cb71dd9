/**
 * A file of what runs have learnt of a dense model, for others that would learn the same.
 * @module
 */
import { createHash } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../checkpoint/atomic-file.js';
import { parseBoundedJson } from '../../checkpoint/bounded-json.js';
import { fileError } from '../../checkpoint/file-error.js';
import { hashFile } from '../../checkpoint/hash-file.js';
import { readSmallFile } from '../../checkpoint/read-small-file.js';
import { diskBytes } from '../../system/disk-bytes.js';

const count = z.int().nonnegative();

const descriptionSchema = z.strictObject({
  /** Of all that decides the bytes. */
  fingerprint: z.string(),
  bytes: count,
  /** Of the bytes. */
  sha256: z.string(),
  /** What measuring took. */
  seconds: z.number().nonnegative(),
  /** The most memory, up to its end, of the process that measured. */
  peak_rss_bytes: count,
  /** Tokens that go to experts, by their prefix, where they are too few. */
  starved: z.record(z.string(), count),
});

type Description = z.infer<typeof descriptionSchema>;

/** What is known of the content. */
export type Reused = Pick<Description, 'seconds' | 'peak_rss_bytes' | 'starved'>;

/** Some bytes for each starved expert; a model has some ten thousand experts. */
const MAX_DESCRIPTION_BYTES = 4_000_000;
const LIMITS = { maxDepth: 8, maxValues: 100_000, maxKeys: 100_000 };

/**
 * Numbers in `kind-fingerprint.f32`, and beside it a description, `.json`, that is written last: without one that fits
 * there is no such file.
 */
export class ReusedFile {
  readonly folder: string;
  readonly name: string;
  readonly path: string;
  readonly #fingerprint: string;
  readonly #bytes: number;

  /** @param fingerprint of all that decides the bytes */
  constructor(folder: string, kind: string, fingerprint: string, bytes: number) {
    this.folder = folder;
    this.name = `${kind}-${fingerprint}.f32`;
    this.path = join(folder, this.name);
    this.#fingerprint = fingerprint;
    this.#bytes = bytes;
  }

  /** Bytes of disk that making it would take now: none when it is there, otherwise all but what was begun. */
  get bytesToWrite(): number {
    if (this.#description()) return 0;
    const begun = [this.path, `${this.path}.tmp`].reduce((sum, path) => sum + diskBytes(path), 0);
    return Math.max(0, this.#bytes - begun);
  }

  /**
   * What is known of the content; undefined when it isn't there, or isn't what was written.
   * @throws RequestError or RunError when it is there and can't be read; the signal's reason when it was aborted
   */
  async read(signal?: AbortSignal): Promise<Reused | undefined> {
    const description = this.#description();
    if (!description || (await this.#hash(signal)) !== description.sha256) return undefined;
    return description;
  }

  /** Says that the content is complete, has its name and is on the disk. @throws as `read` */
  async describe(content: Reused, signal?: AbortSignal): Promise<void> {
    const description: Description = {
      fingerprint: this.#fingerprint,
      bytes: this.#bytes,
      sha256: await this.#hash(signal),
      ...content,
    };
    await writeFileAtomically(this.#descriptionPath, `${JSON.stringify(description)}\n`);
  }

  /** Removes what there is of it. @throws RequestError or RunError when it can't be removed */
  remove(): void {
    for (const path of [this.#descriptionPath, this.path]) {
      for (const file of [path, `${path}.tmp`]) {
        try {
          rmSync(file, { force: true });
        } catch (error) {
          throw fileError(error, 'remove', file);
        }
      }
    }
  }

  get #descriptionPath(): string {
    return join(this.folder, this.name.replace(/f32$/, 'json'));
  }

  /** Undefined where there is none, it is damaged or another's, or the content has another size. */
  #description(): Description | undefined {
    const path = this.#descriptionPath;
    try {
      const document = parseBoundedJson(readSmallFile(path, MAX_DESCRIPTION_BYTES), LIMITS, path);
      const { data } = descriptionSchema.safeParse(document);
      const isOurs = data?.fingerprint === this.#fingerprint && data.bytes === this.#bytes;
      return isOurs && statSync(this.path).size === this.#bytes ? data : undefined;
    } catch {
      return undefined;
    }
  }

  async #hash(signal: AbortSignal | undefined): Promise<string> {
    const hash = createHash('sha256');
    try {
      const handle = await open(this.path, 'r');
      try {
        await hashFile(handle, this.#bytes, hash, signal);
      } finally {
        await handle.close();
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw fileError(error, 'read', this.path);
    }
    return hash.digest('hex');
  }
}

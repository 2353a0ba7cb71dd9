/**
 * Token windows of one length, cut from documents.
 * @module
 */
import { RequestError } from '../errors.js';
import { SplitMix64 } from './splitmix64.js';

/** How windows are cut; see {@link makeWindows}. */
export type WindowMode = 'contiguous' | 'random' | 'document';

/** Most tokens of a text that is read to its end, for random windows or for all there are: 256 MiB of ids, held in memory. */
export const maximumPooledTokens = 2 ** 26;

export interface WindowOptions {
  /** How many windows; `all` takes as many as the text gives (not with `random`). */
  readonly samples: number | 'all';
  /** Tokens a window. */
  readonly sequenceLength: number;
  readonly mode: WindowMode;
  /** Of the start positions of random windows. */
  readonly seed: number;
  /** How messages call the text: its path. */
  readonly source: string;
}

export interface Windows {
  /** `samples × sequenceLength` ids, window after window. */
  readonly tokens: Int32Array;
  readonly samples: number;
  readonly sequenceLength: number;
  /** Tokens that were read, used or not; reading stops when there is enough. */
  readonly totalTokens: number;
  /** Documents that were read. */
  readonly documents: number;
  /** Documents shorter than a window, passed over by `document`; 0 in the other modes. */
  readonly skipped: number;
}

/** An Int32Array that grows by doubling up to a limit. */
class TokenBuffer {
  #tokens: Int32Array;
  length = 0;
  constructor(capacity: number) {
    this.#tokens = new Int32Array(capacity);
  }
  push(tokens: Int32Array): void {
    const needed = this.length + tokens.length;
    if (needed > this.#tokens.length) {
      const grown = new Int32Array(Math.max(needed, 2 * this.#tokens.length));
      grown.set(this.#tokens.subarray(0, this.length));
      this.#tokens = grown;
    }
    this.#tokens.set(tokens, this.length);
    this.length = needed;
  }
  slice(start: number, end: number): Int32Array {
    return this.#tokens.slice(start, Math.min(end, this.length));
  }
}

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Says how many tokens and windows there are and how many were asked for. */
function tooLittle(available: number, read: number, options: WindowOptions, detail: string): RequestError {
  const { sequenceLength, source } = options;
  const samples = options.samples === 'all' ? 1 : options.samples;
  return new RequestError(
    `${source}: too little text: it has ${plural(read, 'token')}, enough for ${plural(available, 'window')} of ` +
      `${sequenceLength}${detail}, and ${plural(samples, 'window')} of ${sequenceLength} ` +
      `(${samples * sequenceLength} tokens) were asked for; give more text, or ask for fewer or shorter windows`,
  );
}

function tooMuch({ mode, source }: WindowOptions): RequestError {
  return new RequestError(
    `${source}: more than ${maximumPooledTokens} tokens, ${
      mode === 'random'
        ? 'too many to draw random windows from; cut the file, or use windows: contiguous'
        : 'too many to take all of them; say how many windows to take, with evaluation.windows (of eval: --windows)'
    }`,
  );
}

/**
 * Cuts windows from documents (their token ids, one array each, in order).
 *
 * - `contiguous`: the documents' tokens one after the other with nothing between them, cut from the start into windows
 *   that do not overlap. Reads no further than it must.
 * - `random`: the same run of tokens, windows at different random start positions, every set of positions equally
 *   likely; they may overlap. Reads everything.
 * - `document`: the first `sequenceLength` tokens of each document that has as many, in order.
 *
 * Nothing is added: no special tokens, no padding.
 * @throws RequestError when there is too little text, with how much there is and how much was asked for, and for more than
 *   {@link maximumPooledTokens} where all of it is read
 */
export async function makeWindows(
  documents: AsyncIterable<Int32Array> | Iterable<Int32Array>,
  options: WindowOptions,
): Promise<Windows> {
  const { samples, sequenceLength, mode, seed } = options;
  const wanted = samples === 'all' ? Number.POSITIVE_INFINITY : samples * sequenceLength;
  const kept = new TokenBuffer(Math.min(wanted, 2 ** 20));
  let totalTokens = 0;
  let read = 0;
  let skipped = 0;
  for await (const document of documents) {
    read++;
    totalTokens += document.length;
    if ((mode === 'random' || samples === 'all') && kept.length + document.length > maximumPooledTokens)
      throw tooMuch(options);
    if (mode !== 'document') kept.push(document);
    else if (document.length >= sequenceLength) kept.push(document.subarray(0, sequenceLength));
    else skipped++;
    if (mode !== 'random' && kept.length >= wanted) break;
  }

  const detail = skipped > 0 ? ` (${plural(skipped, 'document')} of ${read} are shorter)` : '';
  const facts = { sequenceLength, totalTokens, documents: read, skipped };
  const whole = Math.floor(kept.length / sequenceLength);
  if (mode === 'random') {
    const positions = kept.length - sequenceLength + 1;
    if (samples === 'all') throw new TypeError('random windows need a number of samples');
    if (positions < samples) {
      throw tooLittle(Math.max(0, positions), totalTokens, options, ', counting every start position');
    }
    const tokens = new Int32Array(wanted);
    for (const [i, start] of new SplitMix64(seed).sample(positions, samples).entries()) {
      tokens.set(kept.slice(start, start + sequenceLength), i * sequenceLength);
    }
    return { tokens, samples, ...facts };
  }
  const count = samples === 'all' ? whole : samples;
  if (whole < count || count === 0) throw tooLittle(whole, totalTokens, options, detail);
  return { tokens: kept.slice(0, count * sequenceLength), samples: count, ...facts };
}

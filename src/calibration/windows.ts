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
  /** The token that every window begins with; when left out, windows begin with whatever the text has there. */
  readonly bosTokenId?: number | undefined;
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
  /** Undefined outside. */
  at(index: number): number | undefined {
    return index < this.length ? this.#tokens[index] : undefined;
  }
  slice(start: number, end: number): Int32Array {
    return this.#tokens.slice(start, Math.min(end, this.length));
  }
}

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

type Cut = Pick<WindowOptions, 'sequenceLength' | 'bosTokenId'>;

/** Tokens of a window that come from the text, BOS at its beginning not counted. */
export function textTokensOf({ sequenceLength, bosTokenId }: Cut): number {
  return bosTokenId === undefined ? sequenceLength : sequenceLength - 1;
}

/** Says how many tokens and windows there are and how many were asked for. */
function tooLittle(available: number, read: number, options: WindowOptions, detail: string): RequestError {
  const { sequenceLength, bosTokenId, source } = options;
  const samples = options.samples === 'all' ? 1 : options.samples;
  const needed = `${samples * textTokensOf(options)} tokens${bosTokenId === undefined ? '' : ' behind BOS'}`;
  return new RequestError(
    `${source}: too little text: it has ${plural(read, 'token')}, enough for ${plural(available, 'window')} of ` +
      `${sequenceLength}${detail}, and ${plural(samples, 'window')} of ${sequenceLength} ` +
      `(${needed}) were asked for; give more text, or ask for fewer or shorter windows`,
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

/** The window at the beginning of tokens: shorter where they are too few. */
function windowOf(tokens: Int32Array, { sequenceLength, bosTokenId }: Cut): Int32Array {
  if (bosTokenId === undefined || tokens[0] === bosTokenId) return tokens.subarray(0, sequenceLength);
  const window = new Int32Array(Math.min(tokens.length + 1, sequenceLength));
  window[0] = bosTokenId;
  window.set(tokens.subarray(0, window.length - 1), 1);
  return window;
}

/** Goes on with windows of which the last may not be full, so that all but the last are whole. */
function pushRun(windows: TokenBuffer, document: Int32Array, cut: Cut): void {
  const { sequenceLength, bosTokenId } = cut;
  if (bosTokenId === undefined) {
    windows.push(document);
    return;
  }
  for (let at = 0; at < document.length; ) {
    const filled = windows.length % sequenceLength;
    if (filled === 0 && document[at] !== bosTokenId) windows.push(Int32Array.of(bosTokenId));
    const room = sequenceLength - (windows.length % sequenceLength);
    windows.push(document.subarray(at, at + room));
    at += room;
  }
}

/** The document's window, if it is long enough for one. */
function pushBeginning(windows: TokenBuffer, document: Int32Array, cut: Cut): boolean {
  const window = windowOf(document, cut);
  if (window.length < cut.sequenceLength) return false;
  windows.push(window);
  return true;
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
 * Nothing is added but BOS where it is asked for: no other special tokens, no padding. A window is then BOS and
 * `sequenceLength` − 1 tokens of text: `contiguous` goes on by as many, `random` draws the starts of as many, `document`
 * takes as many of each document. Where the text has BOS at such a place itself, it is the window's, and as many tokens
 * behind it follow.
 * @throws RequestError when there is too little text, with how much there is and how much was asked for, for more than
 *   {@link maximumPooledTokens} where all of it is read, and for windows that have room for BOS alone
 */
export async function makeWindows(
  documents: AsyncIterable<Int32Array> | Iterable<Int32Array>,
  options: WindowOptions,
): Promise<Windows> {
  const { samples, sequenceLength, mode, seed, bosTokenId } = options;
  const textTokens = textTokensOf(options);
  if (textTokens === 0)
    throw new RequestError(
      `${options.source}: a window of 1 token has room for BOS alone; ask for longer ones`,
    );
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
    if (mode === 'random') kept.push(document);
    else if (mode === 'contiguous') pushRun(kept, document, options);
    else if (!pushBeginning(kept, document, options)) skipped++;
    if (mode !== 'random' && kept.length >= wanted) break;
  }

  const detail = skipped > 0 ? ` (${plural(skipped, 'document')} of ${read} are shorter)` : '';
  const facts = { sequenceLength, totalTokens, documents: read, skipped };
  const whole = Math.floor(kept.length / sequenceLength);
  if (mode === 'random') {
    const end = kept.length - textTokens;
    // A BOS there leaves too little behind it.
    const positions = bosTokenId !== undefined && kept.at(end) === bosTokenId ? end : end + 1;
    if (samples === 'all') throw new TypeError('random windows need a number of samples');
    if (positions < samples) {
      throw tooLittle(Math.max(0, positions), totalTokens, options, ', counting every start position');
    }
    const tokens = new Int32Array(wanted);
    for (const [i, start] of new SplitMix64(seed).sample(positions, samples).entries()) {
      tokens.set(windowOf(kept.slice(start, start + sequenceLength), options), i * sequenceLength);
    }
    return { tokens, samples, ...facts };
  }
  const count = samples === 'all' ? whole : samples;
  if (whole < count || count === 0) throw tooLittle(whole, totalTokens, options, detail);
  return { tokens: kept.slice(0, count * sequenceLength), samples: count, ...facts };
}

/**
 * Text files → the token windows that a run calibrates on and evaluates on.
 * @module
 */
import type { BosOption } from '../config/bos-option.js';
import { type TextSource, textSourceName } from '../config/text-source.js';
import { RequestError } from '../errors.js';
import { fingerprintTokens } from './fingerprint-tokens.js';
import {
  type OpenTextSource,
  type OpenTextSourceOptions,
  openTextSource,
  sourceDocuments,
} from './open-text-source.js';
import { interleave, shareOut } from './share-out.js';
import type { Tokenizer } from './tokenizer.js';
import { type BosLimits, windowBos } from './window-bos.js';
import { makeWindows, textTokensOf, type WindowMode, type Windows } from './windows.js';

/** The `calibration` of a run file. */
export interface CalibrationRequest {
  readonly data: readonly (TextSource & { readonly weight: number })[];
  readonly samples: number;
  readonly sequence_length: number;
  readonly windows: WindowMode;
  readonly seed: number;
  readonly bos: BosOption;
}

/** What the model allows, and needs. */
export interface ModelLimits extends BosLimits {
  /** Longest window; undefined when the model names no limit. */
  readonly maxSequenceLength?: number;
}

/** What was read of a source. */
export interface ReadText {
  /** The path, or `hf://…` with the commit. */
  readonly source: string;
  /** Names of the files that were read, in order; of the last perhaps only the beginning. */
  readonly files: readonly string[];
  readonly windows: number;
  /** In these windows. */
  readonly tokens: number;
}

/** Windows of tokens for calibration. */
export interface CalibrationSet {
  /** `samples × sequenceLength` ids, window after window. */
  readonly tokens: Int32Array;
  readonly samples: number;
  readonly sequenceLength: number;
  /** The token that was put before every window; undefined for none. */
  readonly bosTokenId: number | undefined;
  /** What did not go as the user would assume. */
  readonly notes: string[];
  /** In the order of the request. */
  readonly sources: readonly ReadText[];
  /** SHA-256 of the tokens as little-endian 32-bit integers, in hex. */
  readonly fingerprint: string;
}

/** Windows of held-out text. */
export interface EvaluationText {
  /** `windows × context` ids, window after window. */
  readonly tokens: Int32Array;
  readonly windows: number;
  readonly context: number;
  /** As in {@link CalibrationSet}. */
  readonly bosTokenId: number | undefined;
  /** Tokens that were read; what lies beyond the last window is not used. */
  readonly totalTokens: number;
  readonly notes: string[];
  readonly source: ReadText;
  /** SHA-256 as in {@link CalibrationSet}. */
  readonly fingerprint: string;
}

/**
 * The token ids of each document of a source, checked against the model's vocabulary; `files` gets what is read.
 * @throws RequestError for what can't be understood; the signal's reason between documents
 */
async function* tokenise(
  source: OpenTextSource,
  tokenizer: Tokenizer,
  vocabularySize: number,
  notes: string[],
  files: string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Int32Array> {
  /** There may be very many documents that are empty. */
  let ofNothing: Int32Array | undefined;
  const encode = (text: string) => {
    if (text !== '') return tokenizer.encode(text);
    ofNothing ??= tokenizer.encode(text);
    return ofNothing;
  };
  for await (const document of sourceDocuments(source, (name) => files.push(name))) {
    signal?.throwIfAborted();
    const { where, note } = document;
    if (note !== undefined) notes.push(note);
    let tokens: Int32Array;
    try {
      tokens =
        'text' in document ? encode(document.text) : await tokenizer.applyChatTemplate(document.messages);
    } catch (cause) {
      if (cause instanceof RequestError) throw new RequestError(`${where}: ${cause.message}`, { cause });
      throw cause;
    }
    const outside = tokens.findIndex((token) => token >= vocabularySize);
    if (outside >= 0) {
      const id = tokens[outside] as number;
      throw new RequestError(
        `${where}: token ${outside + 1} has id ${id} (${JSON.stringify(tokenizer.tokenOf(id))}), outside the model's vocabulary of ${vocabularySize}; the tokenizer does not fit the model`,
      );
    }
    yield tokens;
  }
}

function cap(asked: number, limit: number | undefined, key: string, notes: string[]): number {
  if (limit === undefined || asked <= limit) return asked;
  notes.push(
    `${key}: ${asked} tokens were asked for, the model takes ${limit} at most; windows of ${limit} are used`,
  );
  return limit;
}

/**
 * The calibration windows of a run. Several files share the samples out by weight (largest remainders); each gives its
 * windows by the same rule, with seed + its place in the list, and the windows of all are interleaved evenly. The same
 * request gives the same tokens on every machine.
 * @throws RequestError for files that can't be understood, too little text, and tokens outside the vocabulary; RunError
 *   when the hub fails; the signal's reason when it is aborted
 */
export async function loadCalibration(
  request: CalibrationRequest,
  tokenizer: Tokenizer,
  limits: ModelLimits,
  options: OpenTextSourceOptions = {},
): Promise<CalibrationSet> {
  const { data, samples, windows: mode, seed, bos } = request;
  const notes: string[] = [];
  const sequenceLength = cap(
    request.sequence_length,
    limits.maxSequenceLength,
    'calibration.sequence_length',
    notes,
  );
  const bosTokenId = windowBos(bos, tokenizer, limits, 'calibration.bos', notes);
  const shares = shareOut(
    samples,
    data.map(({ weight }) => weight),
  );
  const parts: (Windows | undefined)[] = [];
  const sources: ReadText[] = [];
  for (const [index, source] of data.entries()) {
    const share = shares[index] as number;
    if (share === 0) {
      const name = textSourceName(source);
      notes.push(
        `${name}: its weight is too small for any of the ${samples} calibration windows; it is not used`,
      );
      parts.push(undefined);
      sources.push({ source: name, files: [], windows: 0, tokens: 0 });
      continue;
    }
    const open = await openTextSource(source, options);
    const files: string[] = [];
    const part = await makeWindows(
      tokenise(open, tokenizer, limits.vocabularySize, notes, files, options.signal),
      {
        samples: share,
        sequenceLength,
        mode,
        seed: seed + index,
        bosTokenId,
        source: open.name,
      },
    );
    sources.push({ source: open.name, files, windows: share, tokens: share * sequenceLength });
    if (part.skipped > 0) {
      notes.push(
        `${open.name}: ${part.skipped} of ${part.documents} documents are shorter than ${textTokensOf({ sequenceLength, bosTokenId })} tokens and were passed over`,
      );
    }
    parts.push(part);
  }

  const tokens = new Int32Array(samples * sequenceLength);
  const taken = data.map(() => 0);
  for (const [i, source] of interleave(shares).entries()) {
    const from = (taken[source] as number) * sequenceLength;
    taken[source] = (taken[source] as number) + 1;
    tokens.set((parts[source] as Windows).tokens.subarray(from, from + sequenceLength), i * sequenceLength);
  }
  const fingerprint = fingerprintTokens(tokens);
  return { tokens, samples, sequenceLength, bosTokenId, notes, sources, fingerprint };
}

/** How held-out text is cut. */
export interface EvaluationRequest extends ModelLimits {
  /** Tokens a window. */
  readonly context: number;
  /** How many windows from the start; all when left out. */
  readonly windows?: number;
  readonly bos: BosOption;
  /** What messages put before `context` and `bos`: `evaluation.`, as in a run file, when left out. */
  readonly prefix?: string;
}

/**
 * Held-out text: tokenised once, cut from the start into windows that do not overlap, the rest dropped.
 * @throws RequestError as {@link loadCalibration} does
 */
export async function loadEvaluationText(
  source: TextSource,
  tokenizer: Tokenizer,
  request: EvaluationRequest,
  options: OpenTextSourceOptions = {},
): Promise<EvaluationText> {
  const notes: string[] = [];
  const { prefix = 'evaluation.' } = request;
  const context = cap(request.context, request.maxSequenceLength, `${prefix}context`, notes);
  const bosTokenId = windowBos(request.bos, tokenizer, request, `${prefix}bos`, notes);
  const open = await openTextSource(source, options);
  const files: string[] = [];
  const { tokens, samples, totalTokens } = await makeWindows(
    tokenise(open, tokenizer, request.vocabularySize, notes, files, options.signal),
    {
      samples: request.windows ?? 'all',
      sequenceLength: context,
      mode: 'contiguous',
      seed: 0,
      bosTokenId,
      source: open.name,
    },
  );
  return {
    tokens,
    windows: samples,
    context,
    bosTokenId,
    totalTokens,
    notes,
    source: { source: open.name, files, windows: samples, tokens: tokens.length },
    fingerprint: fingerprintTokens(tokens),
  };
}

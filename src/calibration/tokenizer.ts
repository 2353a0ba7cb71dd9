/**
 * The checkpoint's own tokenizer, from its folder and never from the network.
 *
 * Uses `@huggingface/tokenizers`, the tokenizers of transformers.js without the rest of it, which would load an
 * inference runtime and an image library into the process.
 * @module
 */
import { isUtf8 } from 'node:buffer';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import type { JsonLimits } from '../checkpoint/json-excess.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import type { ChatMessage } from './chat-message.js';
import { type ChatTemplate, compileChatTemplate } from './chat-template.js';
import { CpuTimeError, withinCpuTime } from './cpu-time-limit.js';
import { isObject, type JsonObject } from './json-object.js';
import { rewriteTokenizer } from './tokenizer-json/rewrite-tokenizer.js';

/** Largest `tokenizer.json` that is read; the largest published ones have about 35 MB. */
export const maximumTokenizerBytes = 48_000_000;

/** The largest published vocabularies and merges are two million keys and values, in some ten levels. */
const tokenizerLimits = { maxDepth: 64, maxValues: 4_000_000 };

/** Largest `tokenizer_config.json` and chat template that are read. */
const maximumConfigBytes = 4_000_000;

/** A `tokenizer_config.json` describes its added tokens one by one, some thousands at most. */
const configLimits = { maxDepth: 64, maxValues: 500_000 };

/** Highest token id that a vocabulary may have; the largest published ones have about 260,000 tokens. */
const maximumTokenId = 2 ** 24;

/** Longest regular expression of a tokenizer; published ones have some hundred characters. */
const maximumPatternCharacters = 4096;

/** How many times as long replacements may make a text, all together; published ones leave it as long as it is, nearly. */
const maximumGrowth = 256;

/**
 * Characters of a Unigram model's pieces and of added tokens: each is an object, of a hundred bytes or more, in a tree of
 * characters. The largest published ones have less than half as many.
 */
const maximumTreeCharacters = 4_000_000;

/**
 * Milliseconds of computing for whatever a tokenizer does once; its patterns come from a file, and a pattern may take
 * longer than the universe lasts. Beyond that so many bytes a millisecond, a tenth of what tokenizers take or less.
 */
const milliseconds = 300;
const tokenizerBytesPerMillisecond = 3_000;
const textBytesPerMillisecond = 20;

const TOKENIZER_FILE = 'tokenizer.json';
const CONFIG_FILE = 'tokenizer_config.json';
const TEMPLATE_FILE = 'chat_template.jinja';

/** Whatever {@link loadTokenizer} reads of a model's folder. */
export const TOKENIZER_FILES: readonly string[] = [TOKENIZER_FILE, CONFIG_FILE, TEMPLATE_FILE];

/** Text to token ids. */
export interface Tokenizer {
  /** The ids of a text; no special tokens are added, those written out in the text are recognised. */
  encode(text: string): Int32Array;
  /**
   * The ids of a conversation through the chat template, without a prompt for the next answer. The first call reads the template.
   * @throws RequestError when there is no template, or it can't be read, or refuses the messages
   */
  applyChatTemplate(messages: readonly ChatMessage[]): Promise<Int32Array>;
  /** One more than the highest id it may give. */
  readonly vocabularySize: number;
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  /** The token of an id, as the vocabulary spells it. */
  tokenOf(id: number): string | undefined;
}

/** The part of `@huggingface/tokenizers` that is used here; its own declarations don't resolve from ES modules. */
interface TokenizersLibrary {
  readonly Tokenizer: new (
    tokenizer: object,
    config: object,
  ) => {
    encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
    id_to_token(id: number): string | undefined;
    token_to_id(token: string): number | undefined;
  };
}

/** The file's bytes; undefined when there is none. */
function readIfThere(path: string, limit: number): Buffer | undefined {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readSmallFile(path, limit);
}

function parseObject(bytes: Buffer, limits: JsonLimits, path: string): JsonObject {
  const value = parseBoundedJson(bytes, limits, path);
  if (!isObject(value)) throw new RequestError(`${path}: expected a JSON object`);
  return value;
}

/** One more than the highest id in the vocabulary and the added tokens. */
function countVocabulary(json: JsonObject, path: string): number {
  const { model, added_tokens: added = [] } = json;
  const vocab = isObject(model) ? model.vocab : undefined;
  const ids: unknown[] = Array.isArray(vocab)
    ? vocab.map((_, id) => id)
    : isObject(vocab)
      ? Object.values(vocab)
      : [];
  if (ids.length === 0) throw new RequestError(`${path}: it has no vocabulary (model.vocab)`);
  if (!Array.isArray(added)) throw new RequestError(`${path}: added_tokens is not a list`);
  let size = 0;
  for (const id of [...ids, ...added.map((token) => (isObject(token) ? token.id : undefined))]) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > maximumTokenId) {
      throw new RequestError(
        `${path}: token id ${JSON.stringify(id)} is not an integer from 0 to ${maximumTokenId}`,
      );
    }
    size = Math.max(size, (id as number) + 1);
  }
  return size;
}

/**
 * Refuses patterns that no tokenizer has: V8's compiler of regular expressions recurses through them, and where its
 * stack ends it ends the process.
 */
function checkPatterns(json: JsonObject, path: string): void {
  let growth = 1;
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'Regex' && typeof inner === 'string' && inner.length > maximumPatternCharacters)
        throw new RequestError(
          `${path}: a pattern of ${inner.length} characters; ${maximumPatternCharacters} at most are used`,
        );
      if (key === 'content' && typeof inner === 'string') growth *= growthOf(value as JsonObject, inner);
      visit(inner);
    }
  };
  // Decoders are never used.
  const { model: _, added_tokens: __, decoder: ___, ...parts } = json;
  visit(parts);
  if (growth > maximumGrowth)
    throw new RequestError(
      `${path}: replacements that may make a text more than ${maximumGrowth} times as long, which are not used`,
    );
}

/** How many times as long a replacement may make a text. */
function growthOf({ pattern }: JsonObject, content: string): number {
  const replaced = isObject(pattern) && typeof pattern.String === 'string' ? pattern.String.length : 1;
  return Math.max(1, content.length / Math.max(1, replaced));
}

/** Refuses pieces that would take a multiple of their size in memory. */
function checkPieces({ model, added_tokens: added }: JsonObject, path: string): void {
  const vocab = isObject(model) && Array.isArray(model.vocab) ? model.vocab : [];
  const texts = [
    ...vocab.map((piece): unknown => (Array.isArray(piece) ? piece[0] : undefined)),
    ...((added as unknown[] | undefined) ?? []).map((token) => (isObject(token) ? token.content : undefined)),
  ];
  const characters = texts.reduce(
    (sum: number, text) => sum + (typeof text === 'string' ? text.length : 0),
    0,
  );
  if (characters > maximumTreeCharacters)
    throw new RequestError(
      `${path}: pieces and added tokens of ${characters} characters; ${maximumTreeCharacters} at most are read`,
    );
}

const specialTokenKeys = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
];

/** The special tokens of `tokenizer_config.json`: each either text or an object with `content`. */
function specialTokensOf(config: JsonObject): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const key of specialTokenKeys) {
    const value = config[key];
    const content = isObject(value) ? value.content : value;
    if (typeof content === 'string') tokens[key] = content;
  }
  return tokens;
}

/** The template's text and the file it is in; `chat_template.jinja` goes before `tokenizer_config.json`. */
function findChatTemplate(folder: string, config: JsonObject): { source: string; name: string } | undefined {
  const file = join(folder, TEMPLATE_FILE);
  const bytes = readIfThere(file, maximumConfigBytes);
  if (bytes !== undefined) {
    if (!isUtf8(bytes)) throw new RequestError(`${file}: not valid UTF-8`);
    return { source: bytes.toString(), name: file };
  }
  const inline = config.chat_template;
  const chosen = Array.isArray(inline)
    ? inline.find((each) => isObject(each) && each.name === 'default')?.template
    : inline;
  return typeof chosen === 'string' ? { source: chosen, name: join(folder, CONFIG_FILE) } : undefined;
}

/**
 * Loads the tokenizer of a checkpoint folder: `tokenizer.json`, and where they are there `tokenizer_config.json` and
 * `chat_template.jinja`.
 * @throws RequestError when `tokenizer.json` is missing or a file can't be understood
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, TOKENIZER_FILE);
  const bytes = readIfThere(path, maximumTokenizerBytes);
  if (bytes === undefined) {
    throw new RequestError(
      `${folder}: no tokenizer.json there; calibration and evaluation text need the model's tokenizer in that format`,
    );
  }
  const json = parseObject(bytes, tokenizerLimits, path);
  const configPath = join(folder, CONFIG_FILE);
  const configBytes = readIfThere(configPath, maximumConfigBytes);
  const config = configBytes === undefined ? {} : parseObject(configBytes, configLimits, configPath);
  const vocabularySize = countVocabulary(json, path);
  checkPatterns(json, path);
  checkPieces(json, path);
  const specialTokens = specialTokensOf(config);
  const template = findChatTemplate(folder, config);

  const library = (await import('@huggingface/tokenizers')) as unknown as TokenizersLibrary;
  const rewritten = rewriteTokenizer(json, path);
  let tokenizer: InstanceType<TokenizersLibrary['Tokenizer']>;
  try {
    const limit = milliseconds + bytes.length / tokenizerBytesPerMillisecond;
    tokenizer = withinCpuTime(limit, () => new library.Tokenizer(rewritten.tokenizer, rewritten.config));
  } catch (cause) {
    throw new RequestError(
      `${path}: this tokenizer is not supported: ${shortened((cause as Error).message)}`,
      { cause },
    );
  }
  let compiled: Promise<ChatTemplate> | undefined;
  const chatTemplate = (): Promise<ChatTemplate> => {
    if (template === undefined)
      throw new RequestError(
        `${folder}: the model has no chat template (chat_template.jinja), which data with messages needs; give field text instead`,
      );
    compiled ??= compileChatTemplate(template.source, template.name, specialTokens);
    return compiled;
  };

  const encode = (text: string): Int32Array => {
    let ids: (number | undefined)[];
    try {
      const limit = milliseconds + text.length / textBytesPerMillisecond;
      ({ ids } = withinCpuTime(limit, () => tokenizer.encode(text, { add_special_tokens: false })));
    } catch (cause) {
      const reason = shortened((cause as Error).message);
      throw new RequestError(
        `${path}: it cannot be applied to a text of ${text.length} characters: ${
          cause instanceof CpuTimeError ? `${reason}; its patterns do not suit the text` : reason
        }`,
        { cause },
      );
    }
    const unknown = ids.indexOf(undefined);
    if (unknown >= 0) {
      throw new RequestError(
        `${path}: it has no token, not even an unknown one, for part ${unknown + 1} of a text`,
      );
    }
    return Int32Array.from(ids as number[]);
  };
  const idOf = (token: string | undefined) => token && tokenizer.token_to_id(token);
  const bosTokenId = idOf(specialTokens.bos_token);
  const eosTokenId = idOf(specialTokens.eos_token);
  return {
    encode,
    applyChatTemplate: async (messages) => encode(await (await chatTemplate())(messages)),
    vocabularySize,
    ...(typeof bosTokenId === 'number' && { bosTokenId }),
    ...(typeof eosTokenId === 'number' && { eosTokenId }),
    tokenOf: (id) => tokenizer.id_to_token(id),
  };
}

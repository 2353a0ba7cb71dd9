import { createHash } from 'node:crypto';
import { cpSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type CalibrationRequest,
  loadCalibration,
  loadEvaluationText,
  type ModelLimits,
} from '../../src/calibration/load-calibration.js';
import { loadTokenizer, type Tokenizer } from '../../src/calibration/tokenizer.js';
import { inFolder, refusal, tinyTokenizer } from './fixture.js';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(tinyTokenizer);
});

const limits = { vocabularySize: 384, maxSequenceLength: 256 };
const evaluated = { ...limits, context: 7, bos: 'auto' as const };
const request = (
  paths: Record<string, number>,
  rest: Partial<CalibrationRequest> = {},
): CalibrationRequest => ({
  data: Object.entries(paths).map(([path, weight]) => ({ path, weight })),
  samples: 4,
  sequence_length: 8,
  windows: 'contiguous',
  seed: 0,
  bos: 'auto',
  ...rest,
});
const text = (word: string) => `The ${word} cuts the branches that bear no fruit. `.repeat(20);
const jsonl = (...documents: object[]) => documents.map((document) => JSON.stringify(document)).join('\n');

describe('loadCalibration', () => {
  it('takes exactly the first tokens of a text', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', text('gardener'));
      const set = await loadCalibration(request({ [path]: 1 }), tokenizer, limits);
      expect(set.tokens).toEqual(tokenizer.encode(text('gardener')).slice(0, 32));
      expect(set).toMatchObject({ samples: 4, sequenceLength: 8, notes: [] });
      expect(set.sources).toEqual([{ source: path, files: [path], windows: 4, tokens: 32 }]);
      const bytes = Buffer.from(
        new Uint8Array(set.tokens.buffer, set.tokens.byteOffset, set.tokens.byteLength),
      );
      expect(set.fingerprint).toBe(createHash('sha256').update(bytes).digest('hex'));
    });
  });

  it('joins the texts and conversations of a .jsonl', async () => {
    await inFolder(async (_, write) => {
      const messages = [{ role: 'user', content: 'Which branches should I cut?' }];
      const path = write('a.jsonl', jsonl({ text: text('one') }, { messages }, { text: text('two') }));
      const set = await loadCalibration(request({ [path]: 1 }, { samples: 80 }), tokenizer, limits);
      const expected = [
        ...tokenizer.encode(text('one')),
        ...(await tokenizer.applyChatTemplate(messages)),
        ...tokenizer.encode(text('two')),
      ];
      expect([...set.tokens]).toEqual(expected.slice(0, 640));
      expect(expected.length).toBeGreaterThan(640);
    });
  });

  it('names the conversation that a template would be needed for that cannot be read', async () => {
    await inFolder(async (folder, write) => {
      cpSync(tinyTokenizer, folder, { recursive: true });
      const template = write('chat_template.jinja', "{% include 'turns.jinja' %}");
      const loaded = await loadTokenizer(folder);
      const messages = [{ role: 'user', content: 'Which branches should I cut?' }];
      const path = write('a.jsonl', jsonl({ text: text('one') }, { messages }));
      const plain = await loadCalibration(request({ [path]: 1 }), loaded, limits);
      expect(plain.tokens).toEqual(tokenizer.encode(text('one')).slice(0, 32));
      const message = await refusal(() =>
        loadCalibration(request({ [path]: 1 }, { samples: 80 }), loaded, limits),
      );
      expect(message).toMatch(`${path}:2: ${template}: the chat template cannot be read: `);
    });
  });

  it('shares the samples out among files and interleaves them', async () => {
    await inFolder(async (_, write) => {
      const paths = ['x', 'y', 'z'].map((word) => write(`${word}.txt`, text(word)));
      const [x = '', y = '', z = ''] = paths;
      const set = await loadCalibration(
        request({ [x]: 2, [y]: 1, [z]: 0.01 }, { samples: 6 }),
        tokenizer,
        limits,
      );
      expect(set.sources.map(({ windows }) => windows)).toEqual([4, 2, 0]);
      expect(set.notes).toEqual([
        `${z}: its weight is too small for any of the 6 calibration windows; it is not used`,
      ]);
      const windowsOf = (word: string) => {
        const ids = [...tokenizer.encode(text(word))];
        return (i: number) => ids.slice(8 * i, 8 * i + 8);
      };
      const [fromX, fromY] = [windowsOf('x'), windowsOf('y')];
      const given = Array.from({ length: 6 }, (_, i) => [...set.tokens.subarray(8 * i, 8 * i + 8)]);
      expect(given).toEqual([fromX(0), fromY(0), fromX(1), fromX(2), fromY(1), fromX(3)]);
    });
  });

  it('gives the same random windows for the same seed, others for another', async () => {
    await inFolder(async (_, write) => {
      const [a, b] = [write('a.txt', text('a')), write('b.txt', text('a'))];
      const load = (seed: number) =>
        loadCalibration(request({ [a]: 1, [b]: 1 }, { windows: 'random', seed }), tokenizer, limits);
      const first = await load(3);
      expect((await load(3)).fingerprint).toBe(first.fingerprint);
      expect((await load(4)).fingerprint).not.toBe(first.fingerprint);
      // Two files with the same text don't give the same windows.
      expect(first.tokens.subarray(0, 8)).not.toEqual(first.tokens.subarray(8, 16));
    });
  });

  it("is capped at the model's length, and tells what it passed over", async () => {
    await inFolder(async (_, write) => {
      const path = write('a.jsonl', jsonl({ text: text('one') }, { text: 'short' }, { text: text('two') }));
      const asked = request({ [path]: 1 }, { windows: 'document', samples: 2, sequence_length: 2048 });
      const set = await loadCalibration(asked, tokenizer, limits);
      expect(set.sequenceLength).toBe(256);
      expect(set.tokens).toHaveLength(512);
      expect(set.notes).toEqual([
        'calibration.sequence_length: 2048 tokens were asked for, the model takes 256 at most; windows of 256 are used',
        `${path}: 1 of 3 documents are shorter than 256 tokens and were passed over`,
      ]);
      const unlimited = { vocabularySize: 384 };
      expect(await refusal(() => loadCalibration(asked, tokenizer, unlimited))).toMatch(
        /a\.jsonl: too little text: it has \d+ tokens, enough for 0 windows of 2048 \(3 documents of 3 are shorter\)/,
      );
    });
  });

  it('tells that line ends were changed', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', text('one').replaceAll('. ', '.\r\n'));
      const set = await loadCalibration(request({ [path]: 1 }), tokenizer, limits);
      expect(set.notes).toEqual([`${path}: line ends \\r\\n and \\r are read as \\n`]);
      expect(set.tokens).toEqual(tokenizer.encode(text('one').replaceAll('. ', '.\n')).slice(0, 32));
    });
  });

  it('refuses tokens outside the vocabulary, where they stand', async () => {
    await inFolder(async (_, write) => {
      const highest = Math.max(...tokenizer.encode(text('one')));
      const at = tokenizer.encode(text('one')).indexOf(highest) + 1;
      const small = { vocabularySize: highest };
      const message = `token ${at} has id ${highest} (${JSON.stringify(tokenizer.tokenOf(highest))}), outside the model's vocabulary of ${highest}; the tokenizer does not fit the model`;
      const plain = write('a.txt', text('one'));
      expect(await refusal(() => loadCalibration(request({ [plain]: 1 }), tokenizer, small))).toBe(
        `${plain}: ${message}`,
      );
      const lines = write('a.jsonl', `\n${jsonl({ text: 'a' }, { text: text('one') })}`);
      expect(await refusal(() => loadCalibration(request({ [lines]: 1 }), tokenizer, small))).toBe(
        `${lines}:3: ${message}`,
      );
    });
  });

  it('names the line of a conversation that the template refuses', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.jsonl', jsonl({ text: 'a' }, { messages: [{ role: 'judge', content: 'x' }] }));
      expect(await refusal(() => loadCalibration(request({ [path]: 1 }), tokenizer, limits))).toMatch(
        /a\.jsonl:2: .*chat_template\.jinja: the chat template refuses these messages: unknown role judge$/,
      );
    });
  });
});

describe('loadEvaluationText', () => {
  it('takes the first windows, or all whole ones', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', text('gardener'));
      const ids = tokenizer.encode(text('gardener'));
      const all = await loadEvaluationText({ path }, tokenizer, evaluated);
      const windows = Math.floor(ids.length / 7);
      expect(all).toMatchObject({ windows, context: 7, totalTokens: ids.length, notes: [] });
      expect(all.tokens).toEqual(ids.slice(0, 7 * windows));
      const some = await loadEvaluationText({ path }, tokenizer, { ...evaluated, windows: 3 });
      expect(some.tokens).toEqual(ids.slice(0, 21));
      expect(some.fingerprint).not.toBe(all.fingerprint);
      const capped = await loadEvaluationText({ path }, tokenizer, {
        ...evaluated,
        maxSequenceLength: 5,
      });
      expect(capped.context).toBe(5);
      expect(capped.notes).toEqual([
        'evaluation.context: 7 tokens were asked for, the model takes 5 at most; windows of 5 are used',
      ]);
      expect(
        await refusal(() => loadEvaluationText({ path }, tokenizer, { ...evaluated, windows: 1000 })),
      ).toBe(
        `${path}: too little text: it has ${ids.length} tokens, enough for ${windows} windows of 7, and 1000 windows of 7 (7000 tokens) were asked for; give more text, or ask for fewer or shorter windows`,
      );
    });
  });
});

describe('windows that begin with BOS', () => {
  const needing = { ...limits, beginsWithBos: true };
  const withoutBos = (): Tokenizer => {
    const { bosTokenId, ...rest } = tokenizer;
    return rest;
  };

  it('do so where the model needs it, or where it is asked for', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', text('gardener'));
      const ids = tokenizer.encode(text('gardener'));
      const [bos] = tokenizer.encode('<|bos|>');
      const load = (option: CalibrationRequest['bos'], model: ModelLimits) =>
        loadCalibration(request({ [path]: 1 }, { bos: option }), tokenizer, model);
      const put = await load('auto', needing);
      expect([...put.tokens]).toEqual(
        [0, 7, 14, 21].flatMap((start) => [bos, ...ids.slice(start, start + 7)]),
      );
      expect(put).toMatchObject({ bosTokenId: bos, notes: [], sources: [{ windows: 4, tokens: 32 }] });
      expect((await load('always', limits)).tokens).toEqual(put.tokens);
      const plain = await load('auto', limits);
      expect(plain.tokens).toEqual(ids.slice(0, 32));
      expect(plain.bosTokenId).toBeUndefined();
      expect((await load('never', needing)).tokens).toEqual(plain.tokens);

      const held = await loadEvaluationText({ path }, tokenizer, { ...needing, ...evaluated, windows: 2 });
      expect([...held.tokens]).toEqual([bos, ...ids.slice(0, 6), bos, ...ids.slice(6, 12)]);
      expect(held.bosTokenId).toBe(bos);
    });
  });

  it('have one BOS where a conversation has its own', async () => {
    await inFolder(async (_, write) => {
      const messages = [{ role: 'user', content: 'Which branches should I cut?' }];
      const ids = await tokenizer.applyChatTemplate(messages);
      expect(ids[0]).toBe(tokenizer.bosTokenId);
      const path = write('a.jsonl', jsonl({ messages }));
      const asked = request({ [path]: 1 }, { windows: 'document', samples: 1 });
      expect((await loadCalibration(asked, tokenizer, needing)).tokens).toEqual(ids.slice(0, 8));
    });
  });

  it('count the text of documents that are passed over', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.jsonl', jsonl({ text: text('one') }, { text: 'short' }, { text: text('two') }));
      const asked = request({ [path]: 1 }, { windows: 'document', samples: 2, sequence_length: 64 });
      expect((await loadCalibration(asked, tokenizer, needing)).notes).toEqual([
        `${path}: 1 of 3 documents are shorter than 63 tokens and were passed over`,
      ]);
    });
  });

  it('are refused, or told of, where the tokenizer has no BOS', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', text('gardener'));
      const load = (option: CalibrationRequest['bos']) =>
        loadCalibration(request({ [path]: 1 }, { bos: option }), withoutBos(), needing);
      expect(await refusal(() => load('always'))).toBe(
        'calibration.bos always: the tokenizer has no BOS token; name one of its tokens as bos_token in tokenizer_config.json, or take auto or never',
      );
      const plain = await load('auto');
      expect(plain.tokens).toEqual(tokenizer.encode(text('gardener')).slice(0, 32));
      expect(plain.notes).toEqual([
        'calibration.bos: the model needs BOS before every text, and the tokenizer has none (bos_token in tokenizer_config.json); windows begin without it',
      ]);
      expect((await load('never')).notes).toEqual([]);
    });
  });

  it('are refused where the model has no such token', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', text('gardener'));
      const of = { ...tokenizer, bosTokenId: 384 };
      expect(await refusal(() => loadEvaluationText({ path }, of, { ...evaluated, bos: 'always' }))).toBe(
        "evaluation.bos always: BOS has id 384, outside the model's vocabulary of 384; the tokenizer does not fit the model",
      );
    });
  });
});

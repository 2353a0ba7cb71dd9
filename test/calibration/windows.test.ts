import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interleave, shareOut } from '../../src/calibration/share-out.js';
import { SplitMix64 } from '../../src/calibration/splitmix64.js';
import { makeWindows, type WindowMode } from '../../src/calibration/windows.js';
import { refusal } from './fixture.js';

const lengths = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 12 });

/** Documents whose tokens count up over all of them, so that a token tells where it came from. */
function documentsOf(sizes: readonly number[]): Int32Array[] {
  let next = 0;
  return sizes.map((size) => Int32Array.from({ length: size }, () => next++));
}

const cut = (
  documents: Iterable<Int32Array>,
  mode: WindowMode,
  samples: number | 'all',
  sequenceLength: number,
  seed = 0,
) => makeWindows(documents, { samples, sequenceLength, mode, seed, source: 'a.txt' });

describe('contiguous windows', () => {
  it('are the first tokens of all documents, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 10 }),
        async (sizes, samples, length) => {
          const total = sizes.reduce((a, b) => a + b, 0);
          fc.pre(samples * length <= total);
          const windows = await cut(documentsOf(sizes), 'contiguous', samples, length);
          expect([...windows.tokens]).toEqual(Array.from({ length: samples * length }, (_, i) => i));
          expect(windows).toMatchObject({ samples, sequenceLength: length, skipped: 0 });
          expect(windows.totalTokens).toBeLessThanOrEqual(total);
        },
      ),
    );
  });

  it('take all there are, and drop the rest', async () => {
    const windows = await cut(documentsOf([5, 6]), 'contiguous', 'all', 4);
    expect(windows).toMatchObject({ samples: 2, totalTokens: 11, documents: 2 });
    expect([...windows.tokens]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('read no further than they must', async () => {
    let given = 0;
    function* endless() {
      for (;;) {
        given++;
        yield Int32Array.of(1, 2, 3);
      }
    }
    expect(await cut(endless(), 'contiguous', 2, 4)).toMatchObject({ totalTokens: 9, documents: 3 });
    expect(given).toBe(3);
  });

  it('of too little text are refused', async () => {
    expect(await refusal(() => cut(documentsOf([5, 6]), 'contiguous', 3, 4))).toBe(
      'a.txt: too little text: it has 11 tokens, enough for 2 windows of 4, and 3 windows of 4 (12 tokens) were asked for; give more text, or ask for fewer or shorter windows',
    );
    expect(await refusal(() => cut(documentsOf([1]), 'contiguous', 'all', 4))).toMatch(
      /^a\.txt: too little text: it has 1 token, enough for 0 windows of 4, and 1 window of 4 \(4 tokens\) were asked for/,
    );
  });
});

it('a text that is read to its end may not go on for ever', async () => {
  function* endless() {
    for (;;) yield new Int32Array(2 ** 25);
  }
  const refused = (mode: WindowMode, samples: number | 'all') =>
    refusal(() => cut(endless(), mode, samples, 4));
  expect(await refused('contiguous', 'all')).toBe(
    'a.txt: more than 67108864 tokens, too many to take all of them; say how many windows to take, with evaluation.windows (of eval: --windows)',
  );
  expect(await refused('random', 2)).toMatch(/^a\.txt: more than 67108864 tokens, too many to draw/);
});

describe('random windows', () => {
  it('are runs of the text at different places, the same for the same seed', async () => {
    await fc.assert(
      fc.asyncProperty(lengths, fc.nat(), fc.integer({ min: 1, max: 10 }), async (sizes, seed, length) => {
        const total = sizes.reduce((a, b) => a + b, 0);
        fc.pre(total >= length);
        const positions = total - length + 1;
        const samples = Math.ceil(positions / 2);
        const { tokens } = await cut(documentsOf(sizes), 'random', samples, length, seed);
        const starts = Array.from({ length: samples }, (_, i) => tokens[i * length] as number);
        expect(new Set(starts).size).toBe(samples);
        for (const [i, start] of starts.entries()) {
          expect(start).toBeLessThan(positions);
          expect([...tokens.subarray(i * length, (i + 1) * length)]).toEqual(
            Array.from({ length }, (_, j) => start + j),
          );
        }
        const again = await cut(documentsOf(sizes), 'random', samples, length, seed);
        expect(again.tokens).toEqual(tokens);
      }),
    );
  });

  it('differ between seeds and may take every position', async () => {
    const documents = () => documentsOf([1000]);
    const one = await cut(documents(), 'random', 20, 5, 1);
    const two = await cut(documents(), 'random', 20, 5, 2);
    expect(one.tokens).not.toEqual(two.tokens);
    const every = await cut(documentsOf([10]), 'random', 6, 5);
    expect(
      [0, 1, 2, 3, 4, 5].every((start) => every.tokens.some((token, i) => i % 5 === 0 && token === start)),
    ).toBe(true);
  });

  it('of too little text are refused', async () => {
    expect(await refusal(() => cut(documentsOf([10]), 'random', 7, 5))).toMatch(
      /^a\.txt: too little text: it has 10 tokens, enough for 6 windows of 5, counting every start position, and 7 windows of 5 \(35 tokens\) were asked for/,
    );
    expect(await refusal(() => cut(documentsOf([3]), 'random', 1, 5))).toMatch(/enough for 0 windows of 5/);
  });

  it('are not drawn from more text than memory is meant to hold', async () => {
    function* endless() {
      for (;;) yield new Int32Array(2 ** 24);
    }
    expect(await refusal(() => cut(endless(), 'random', 7, 5))).toMatch(
      /^a\.txt: more than 67108864 tokens, too many/,
    );
  });
});

describe('document windows', () => {
  it('are the beginnings of the documents that are long enough', async () => {
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1, max: 20 }), async (sizes, length) => {
        const documents = documentsOf(sizes);
        const long = documents.filter((document) => document.length >= length);
        fc.pre(long.length > 0);
        const all = await cut(documents, 'document', 'all', length);
        expect(all).toMatchObject({
          samples: long.length,
          skipped: sizes.length - long.length,
          documents: sizes.length,
        });
        expect([...all.tokens]).toEqual(long.flatMap((document) => [...document.subarray(0, length)]));
        const first = await cut(documents, 'document', 1, length);
        expect(first.tokens).toEqual(all.tokens.slice(0, length));
      }),
    );
  });

  it('of too few long documents are refused', async () => {
    expect(await refusal(() => cut(documentsOf([3, 5, 9, 4]), 'document', 3, 5))).toBe(
      'a.txt: too little text: it has 21 tokens, enough for 2 windows of 5 (2 documents of 4 are shorter), and 3 windows of 5 (15 tokens) were asked for; give more text, or ask for fewer or shorter windows',
    );
  });
});

describe('windows that begin with BOS', () => {
  const BOS = -1;
  /** Documents of text that counts up, with BOS here and there, sometimes twice in a row. */
  const documentsWithBos = fc
    .array(fc.array(fc.nat({ max: 3 }), { maxLength: 20 }), { minLength: 1, maxLength: 8 })
    .map((documents) => {
      let next = 0;
      return documents.map((draws) => draws.map((draw) => (draw === 0 ? BOS : next++)));
    });
  const lengthOf = fc.integer({ min: 2, max: 8 });
  /** What a window is whose text begins at a place, by definition; undefined when there is too little. */
  const windowAt = (text: readonly number[], at: number, length: number): number[] | undefined => {
    const window = text[at] === BOS ? text.slice(at, at + length) : [BOS, ...text.slice(at, at + length - 1)];
    return window.length === length ? window : undefined;
  };
  const taken = (tokens: Int32Array, length: number) =>
    Array.from({ length: tokens.length / length }, (_, i) => [
      ...tokens.subarray(i * length, (i + 1) * length),
    ]);
  const cutWithBos = async (
    documents: readonly (readonly number[])[],
    mode: WindowMode,
    samples: number | 'all',
    length: number,
  ) => {
    const windows = await makeWindows(
      documents.map((document) => Int32Array.from(document)),
      { samples, sequenceLength: length, mode, seed: 3, bosTokenId: BOS, source: 'a.txt' },
    );
    return taken(windows.tokens, length);
  };
  const refused = (
    documents: readonly (readonly number[])[],
    mode: WindowMode,
    samples: number | 'all',
    length: number,
  ) => refusal(() => cutWithBos(documents, mode, samples, length));

  it('have one token of text less, or the BOS that the text has there', async () => {
    const text = [[5, 6, 7, 8], [BOS], [9, 10], [BOS, BOS, 11, 12, 13]];
    expect(await cutWithBos(text, 'contiguous', 'all', 3)).toEqual([
      [BOS, 5, 6],
      [BOS, 7, 8],
      [BOS, 9, 10],
      [BOS, BOS, 11],
      [BOS, 12, 13],
    ]);
    expect(await cutWithBos(text, 'document', 'all', 3)).toEqual([
      [BOS, 5, 6],
      [BOS, 9, 10],
      [BOS, BOS, 11],
    ]);
  });

  it('follow one another', async () => {
    await fc.assert(
      fc.asyncProperty(documentsWithBos, lengthOf, async (documents, length) => {
        const text = documents.flat();
        const expected: number[][] = [];
        for (let at = 0; ; ) {
          const window = windowAt(text, at, length);
          if (!window) break;
          expected.push(window);
          at += text[at] === BOS ? length : length - 1;
        }
        const { length: count } = expected;
        expect(await refused(documents, 'contiguous', count + 1, length)).toContain(
          `enough for ${count} window${count === 1 ? '' : 's'} of ${length}, and`,
        );
        if (count === 0) return;
        expect(await cutWithBos(documents, 'contiguous', 'all', length)).toEqual(expected);
        const some = Math.ceil(count / 2);
        expect(await cutWithBos(documents, 'contiguous', some, length)).toEqual(expected.slice(0, some));
      }),
    );
  });

  it('are drawn from every place that has text enough', async () => {
    await fc.assert(
      fc.asyncProperty(documentsWithBos, lengthOf, async (documents, length) => {
        const text = documents.flat();
        const every = text.flatMap((_, at) => {
          const window = windowAt(text, at, length);
          return window ? [window] : [];
        });
        const sorted = (windows: number[][]) => windows.map((window) => window.join()).sort();
        expect(await refused(documents, 'random', every.length + 1, length)).toContain(
          `enough for ${every.length} window${every.length === 1 ? '' : 's'} of ${length}, counting`,
        );
        if (every.length === 0) return;
        expect(sorted(await cutWithBos(documents, 'random', every.length, length))).toEqual(sorted(every));
      }),
    );
  });

  it('are the beginnings of documents that have text enough', async () => {
    await fc.assert(
      fc.asyncProperty(documentsWithBos, lengthOf, async (documents, length) => {
        const expected = documents.flatMap((document) => {
          const window = windowAt(document, 0, length);
          return window ? [window] : [];
        });
        if (expected.length > 0)
          expect(await cutWithBos(documents, 'document', 'all', length)).toEqual(expected);
        else expect(await refused(documents, 'document', 1, length)).toContain('enough for 0 windows');
      }),
    );
  });

  it('count what is missing without BOS', async () => {
    expect(await refused([[1, 2, 3, 4], [5]], 'contiguous', 2, 4)).toBe(
      'a.txt: too little text: it has 5 tokens, enough for 1 window of 4, and 2 windows of 4 (6 tokens behind BOS) were asked for; give more text, or ask for fewer or shorter windows',
    );
    expect(await refused([[1, 2, 3]], 'contiguous', 1, 1)).toBe(
      'a.txt: a window of 1 token has room for BOS alone; ask for longer ones',
    );
  });
});

describe('SplitMix64', () => {
  it('gives the numbers of the published generator', () => {
    // For seed 1234567, as listed for splitmix64.c on rosettacode.org.
    const random = new SplitMix64(1234567);
    expect(Array.from({ length: 5 }, () => random.next())).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ]);
  });

  it('draws evenly', () => {
    const random = new SplitMix64(0);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const draw = random.below(7);
      counts[draw] = (counts[draw] ?? 0) + 1;
    }
    // χ² with 6 degrees of freedom is below 22.5 with probability 0.999.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(22.5);
  });

  it('samples every set equally often', () => {
    const random = new SplitMix64(5);
    const counts = new Map<string, number>();
    for (let i = 0; i < 10_000; i++) {
      const set = random.sample(5, 2).sort().join();
      counts.set(set, (counts.get(set) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    // χ² with 9 degrees of freedom is below 27.9 with probability 0.999.
    expect([...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(
      27.9,
    );
  });
});

describe('sharing out', () => {
  const weights = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 8 });

  it('gives everyone their share, rounded down or up, and all of it', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), weights, (total, list) => {
        const sum = list.reduce((a, b) => a + b, 0);
        const shares = shareOut(total, list);
        expect(shares.reduce((a, b) => a + b, 0)).toBe(total);
        for (const [i, share] of shares.entries()) {
          expect(Math.abs(share - (total * (list[i] as number)) / sum)).toBeLessThan(1 + 1e-9);
        }
      }),
    );
    expect(shareOut(10, [1, 1, 1])).toEqual([4, 3, 3]);
    expect(shareOut(7, [3, 1, 1])).toEqual([4, 2, 1]);
  });

  it('interleaves so that no source runs ahead by as much as two windows', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 5 }), (shares) => {
        const total = shares.reduce((a, b) => a + b, 0);
        const order = interleave(shares);
        const taken = shares.map(() => 0);
        for (const [step, source] of order.entries()) {
          taken[source] = (taken[source] as number) + 1;
          const ahead = (taken[source] as number) - ((shares[source] as number) * (step + 1)) / total;
          expect(ahead).toBeLessThan(2);
        }
        expect(taken).toEqual(shares);
      }),
    );
    expect(interleave([2, 1])).toEqual([0, 1, 0]);
    expect(interleave([2, 2])).toEqual([0, 1, 0, 1]);
  });
});

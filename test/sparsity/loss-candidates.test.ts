/** Screening and choosing what goes, against brute force over the activations. */
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { groupMaskCount, groupMasks } from '../../src/sparsity/group-masks.js';
import { candidateCount, lossCandidates } from '../../src/sparsity/loss-candidates.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals } from '../support/random.js';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

const [rows, columns, tokens] = [10, 72, 50];
const x = correlatedActivations(tokens, columns, 3);
const w = normals(rows * columns, 4);
const gram = nativeGram(x, tokens, columns);

/** The mean over tokens of the squared change of the outputs. */
function outputLoss(removed: readonly number[]): number {
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const own = removed.filter((index) => Math.floor(index / columns) === row);
    for (let t = 0; t < tokens; t++) {
      const change = own.reduce(
        (sum, index) => sum + (w[index] as number) * (x[t * columns + (index % columns)] as number),
        0,
      );
      total += change ** 2 / tokens;
    }
  }
  return total;
}

async function candidates(pattern: Pattern, tile: readonly [number, number], most: number) {
  return await lossCandidates(pool, { weights: nativeTensor(w, [rows, columns]), pattern, gram, tile }, most);
}

/** Tiles by hand: each the indices of its weights. */
function tilesOf([height, width]: readonly [number, number]): number[][] {
  const tiles: number[][] = [];
  for (let top = 0; top < rows; top += height) {
    for (let left = 0; left < columns; left += width) {
      const tile: number[] = [];
      for (let row = top; row < Math.min(rows, top + height); row++) {
        for (let j = left; j < Math.min(columns, left + width); j++) tile.push(row * columns + j);
      }
      tiles.push(tile);
    }
  }
  return tiles;
}

describe.each([
  [1, 1],
  [1, 8],
  [4, 1],
  [3, 7],
  [1, 72],
  [10, 1],
  [100, 100],
] as const)('tiles of %d × %d', (height, width) => {
  const tile = [height, width] as const;
  const tiles = tilesOf(tile);
  const sorted = tiles
    .map((indices) => ({ indices, loss: outputLoss(indices) }))
    .sort((a, b) => a.loss / a.indices.length - b.loss / b.indices.length);

  it.each([0, 0.13, 0.5, 0.999])('go whole, the cheapest first, until %d are gone', async (sparsity) => {
    const pattern = { kind: 'unstructured', sparsity } as const;
    expect(candidateCount(rows, columns, pattern, tile)).toBe(tiles.length);
    const { mask, contenders } = await candidates(pattern, tile, 6);
    const zeros = Math.floor(rows * columns * sparsity);
    const { indices, outputLoss: total } = mask();
    expect(indices.length).toBe(zeros);
    expect(new Set(indices).size).toBe(zeros);
    expect([...indices]).toEqual([...indices].sort((a, b) => a - b));
    const gone = new Set(indices);
    let [left, expected] = [zeros, 0];
    let whole = 0;
    for (const { indices: own, loss } of sorted) {
      if (own.length > left) {
        const part = own
          .map((index) => ({ index, loss: outputLoss([index]) }))
          .sort((a, b) => a.loss - b.loss)
          .slice(0, left);
        for (const { index } of part) expect(gone.has(index)).toBe(true);
        expected += part.reduce((sum, each) => sum + each.loss, 0);
        break;
      }
      for (const index of own) expect(gone.has(index)).toBe(true);
      left -= own.length;
      expected += loss;
      whole++;
    }
    expect(Math.abs(total - expected)).toBeLessThanOrEqual(1e-4 * expected);
    const count = sparsity === 0 ? 0 : Math.min(6, tiles.length);
    const end = Math.min(tiles.length, Math.max(0, whole - Math.floor(count / 2)) + count);
    expect(contenders.map((each) => [...each()])).toEqual(
      sorted.slice(end - count, end).map(({ indices: own }) => own),
    );
  });

  it('go by what was measured where they were', async () => {
    const pattern = { kind: 'unstructured', sparsity: 0.4 } as const;
    const { mask, contenders } = await candidates(pattern, tile, 8);
    const measured = contenders.map((_, at) => Math.sin(5 * at));
    const own = contenders.map((each, at) => ({ indices: [...each()], loss: measured[at] as number }));
    const ranked = own.toSorted((a, b) => a.loss / a.indices.length - b.loss / b.indices.length);
    const { indices } = mask(measured);
    expect(indices.length).toBe(Math.floor(rows * columns * 0.4));
    const gone = new Set(indices);
    const isWhole = ranked.map((each) => each.indices.every((index) => gone.has(index)));
    // Those that go whole come before the others.
    expect(isWhole).toEqual(isWhole.toSorted((a, b) => Number(b) - Number(a)));
  });
});

describe('tiles of a matrix with zeros that stay', () => {
  const tile = [2, 8] as const;
  const withZeros = w.map((value, index) => (index % 3 === 0 ? 0 : value));
  const existing = [...withZeros.keys()].filter((index) => withZeros[index] === 0);
  const choose = async (sparsity: number) => {
    const weights = nativeTensor(withZeros, [rows, columns]);
    const pattern = { kind: 'unstructured', sparsity } as const;
    return await lossCandidates(pool, { weights, pattern, gram, tile, keepZeros: true }, 6);
  };

  it('lose those first, and then what is cheapest of the rest of each', async () => {
    const { mask, contenders } = await choose(0.6);
    const { indices } = mask();
    expect(indices.length).toBe(Math.floor(rows * columns * 0.6));
    const gone = new Set(indices);
    for (const index of existing) expect(gone.has(index)).toBe(true);
    for (const each of contenders) for (const index of each()) expect(withZeros[index]).not.toBe(0);
    const live = tilesOf(tile).map((own) => own.filter((index) => withZeros[index] !== 0));
    const ranked = live
      .map((own) => ({ own, loss: outputLoss(own) / own.length }))
      .sort((a, b) => a.loss - b.loss)
      .map(({ own }) => own.filter((index) => gone.has(index)).length / own.length);
    expect(ranked).toEqual(ranked.toSorted((a, b) => b - a));
    expect(ranked.filter((share) => share > 0 && share < 1).length).toBeLessThanOrEqual(1);
  });

  it('lose nothing else where those are more than what goes', async () => {
    const { mask } = await choose(0.2);
    expect([...mask().indices]).toEqual(existing);
  });
});

describe.each([
  [2, 4],
  [1, 4],
  [3, 4],
  [4, 8],
  [5, 6],
] as const)('%d:%d', (keep, of) => {
  const pattern = { kind: 'n:m', keep, of } as const;
  const masks = groupMasks(of, of - keep);
  const groups = (rows * columns) / of;
  const lossOf = (group: number, mask: readonly number[]) =>
    outputLoss(mask.map((index) => group * of + index));

  it('has every mask once', () => {
    expect(masks).toHaveLength(groupMaskCount(of, of - keep));
    expect(new Set(masks.map(String)).size).toBe(masks.length);
    for (const mask of masks) expect(new Set(mask).size).toBe(of - keep);
    expect(candidateCount(rows, columns, pattern, [1, 1])).toBe(groups * masks.length);
  });

  it('takes the best mask of each group, and measures those whose next best is nearest', async () => {
    const { mask, contenders } = await candidates(pattern, [1, 1], 10);
    const ranked = Array.from({ length: groups }, (_, group) =>
      masks.map((each) => ({ group, each, loss: lossOf(group, each) })).sort((a, b) => a.loss - b.loss),
    );
    const { indices, outputLoss: total } = mask();
    const best = ranked.map(([first]) => first as NonNullable<typeof first>);
    expect([...indices]).toEqual(best.flatMap(({ group, each }) => each.map((index) => group * of + index)));
    expect(total).toBeCloseTo(
      best.reduce((sum, { loss }) => sum + loss, 0),
      3,
    );
    const gap = ([first, next]: (typeof ranked)[number]) => 1 - (first?.loss ?? 0) / (next?.loss ?? 1);
    const nearest = ranked.toSorted((a, b) => gap(a) - gap(b)).slice(0, 5);
    const expected = nearest.flatMap((group) =>
      group.slice(0, 2).map(({ group: at, each }) => each.map((index) => at * of + index)),
    );
    expect(contenders.map((each) => [...each()])).toEqual(expected);

    // The second of each pair is measured to be the better one.
    const swapped = mask(contenders.map((_, at) => (at % 2 === 0 ? 1 : -1)));
    const gone = new Set(swapped.indices);
    for (const group of nearest) {
      const [, next] = group;
      for (const index of next?.each ?? []) expect(gone.has((next?.group ?? 0) * of + index)).toBe(true);
    }
    const change = nearest.reduce((sum, [first, next]) => sum + (next?.loss ?? 0) - (first?.loss ?? 0), 0);
    expect(swapped.outputLoss - total).toBeCloseTo(change, 3);
    expect(swapped.indices.length).toBe(groups * (of - keep));
  });
});

describe('2:4 with groups that have nothing to choose', () => {
  const pattern = { kind: 'n:m', keep: 2, of: 4 } as const;
  const groups = (rows * columns) / 4;
  const [dead, settled] = [2, 5];
  const masks = groupMasks(4, 2);
  // Whatever goes of the inputs 8 to 11, of which none ever was anything but zero, changes no output.
  const inputs = x.map((value, i) => (Math.floor((i % columns) / 4) === dead ? 0 : value));
  const withZeros = w.map((value, i) => (i === 4 * settled || i === 4 * settled + 3 ? 0 : value));
  const chosen = async (keepZeros: boolean, most: number) =>
    await lossCandidates(
      pool,
      {
        weights: nativeTensor(withZeros, [rows, columns]),
        pattern,
        gram: nativeGram(inputs, tokens, columns),
        tile: [1, 1],
        keepZeros,
      },
      most,
    );

  it.each([true, false])(
    'measures both masks of all others and none of these, zeros kept: %s',
    async (keepZeros) => {
      // Below the number of all masks, at which every one is measured.
      const { contenders, mask } = await chosen(keepZeros, groups * masks.length - 1);
      const measured = contenders.map((each) => Math.floor((each()[0] as number) / 4));
      const others = Array.from({ length: groups }, (_, group) => group).filter(
        (group) => group % (columns / 4) !== dead && !(keepZeros && group === settled),
      );
      expect(measured.toSorted((a, b) => a - b)).toEqual(others.flatMap((group) => [group, group]));
      for (const [at, each] of contenders.entries()) {
        if (at % 2 === 1) expect([...each()]).not.toEqual([...(contenders[at - 1]?.() ?? [])]);
      }
      const { indices } = mask();
      expect(indices).toHaveLength(2 * groups);
      for (const index of keepZeros ? [4 * settled, 4 * settled + 3] : []) expect(indices).toContain(index);
    },
  );
});

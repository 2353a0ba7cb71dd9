import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inBatches } from '../../src/statistics/in-batches.js';

const shapes = fc
  .record({
    windows: fc.nat(20),
    batch: fc.integer({ min: 1, max: 5 }),
    more: fc.nat(5),
    lanes: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ more, ...shape }) => ({ ...shape, slots: shape.batch + more }));

/** Resolves after a few turns of the event loop, drawn by the property. */
async function pause(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('inBatches', () => {
  it('computes every window and adds it once in each lane, in order, before its slot is computed into again', async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.nat(3),
        fc.array(fc.nat(3), { minLength: 8, maxLength: 8 }),
        async ({ windows, batch, slots }, lanes, turns) => {
          const places = Array.from({ length: slots }, () => ({ holds: -1, takenBy: lanes }));
          const sums = Array.from({ length: lanes }, (): number[] => []);
          const computed = new Set<number>();
          const adding = new Set<number>();
          await inBatches({
            windows,
            batch,
            slots: places,
            lanes,
            async compute(window, slot) {
              expect(slot.takenBy).toBe(lanes);
              Object.assign(slot, { holds: window, takenBy: 0 });
              await pause(turns[window % 8] ?? 0);
              computed.add(window);
            },
            async add(lane, first, own) {
              expect(first).toBe(sums[lane]?.length);
              expect(adding.has(lane)).toBe(false);
              adding.add(lane);
              await pause(turns[(own.length + lane) % 8] ?? 0);
              for (const slot of own) {
                sums[lane]?.push(slot.holds);
                slot.takenBy++;
              }
              adding.delete(lane);
            },
          });
          expect(computed.size).toBe(windows);
          for (const sum of sums) expect(sum).toEqual([...Array(windows).keys()]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('lets no lane wait for another', async () => {
    let secondBatch = () => {};
    const begun = new Promise<void>((resolve) => {
      secondBatch = resolve;
    });
    await inBatches({
      windows: 4,
      batch: 2,
      slots: [0, 1, 2, 3],
      lanes: 2,
      compute: () => pause(1),
      async add(lane, first) {
        if (lane === 1 && first === 2) secondBatch();
        if (lane === 0 && first === 0) await begun;
      },
    });
  });

  it('throws the first failure after everything that was begun has ended', async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.nat(19),
        fc.boolean(),
        async ({ windows, batch, slots, lanes }, at, inAdd) => {
          fc.pre(at < windows);
          let begun = 0;
          let ended = 0;
          const step = async (fails: boolean) => {
            begun++;
            await pause(1);
            ended++;
            if (fails) throw new Error(`window ${at}`);
          };
          const run = inBatches({
            windows,
            batch,
            slots: [...Array(slots).keys()],
            lanes,
            compute: (window) => step(!inAdd && window === at),
            add: (lane, first, own) => step(inAdd && lane === 0 && first <= at && at < first + own.length),
          });
          await expect(run).rejects.toThrow(`window ${at}`);
          expect(ended).toBe(begun);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('begins nothing new once it is aborted', async () => {
    const controller = new AbortController();
    const computed: number[] = [];
    const run = inBatches({
      windows: 20,
      batch: 2,
      slots: [0, 1, 2],
      lanes: 1,
      signal: controller.signal,
      async compute(window) {
        computed.push(window);
        await pause(1);
        if (window === 4) controller.abort(new Error('stopped'));
      },
      add: () => pause(1),
    });
    await expect(run).rejects.toThrow('stopped');
    expect(computed.length).toBeLessThan(10);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inBatches } from '../../src/statistics/in-batches.js';

const shapes = fc
  .record({ windows: fc.nat(20), batch: fc.integer({ min: 1, max: 5 }), more: fc.nat(5) })
  .map(({ windows, batch, more }) => ({ windows, batch, slots: batch + more }));

/** Resolves after a few turns of the event loop, drawn by the property. */
async function pause(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('inBatches', () => {
  it('adds every window once, in order, before its slot is computed into again', async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.array(fc.nat(3), { minLength: 8, maxLength: 8 }),
        async ({ windows, batch, slots }, turns) => {
          const places = Array.from({ length: slots }, () => ({ holds: -1 }));
          const sum: number[] = [];
          let adding = false;
          await inBatches({
            windows,
            batch,
            slots: places,
            async compute(window, slot) {
              expect(slot.holds).toBe(-1);
              slot.holds = window;
              await pause(turns[window % 8] ?? 0);
            },
            async add(first, own) {
              expect(first).toBe(sum.length);
              expect(adding).toBe(false);
              adding = true;
              await pause(turns[own.length % 8] ?? 0);
              for (const slot of own) {
                sum.push(slot.holds);
                slot.holds = -1;
              }
              adding = false;
            },
          });
          expect(sum).toEqual([...Array(windows).keys()]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('throws the first failure after everything that was begun has ended', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.nat(19), fc.boolean(), async ({ windows, batch, slots }, at, inAdd) => {
        fc.pre(at < windows);
        let begun = 0;
        let ended = 0;
        const step = async (fails: boolean) => {
          begun++;
          await pause(1);
          ended++;
          if (fails) throw new Error(`window ${at}`);
        };
        let next = 0;
        const run = inBatches({
          windows,
          batch,
          slots: [...Array(slots).keys()],
          compute: (window) => step(!inAdd && window === at),
          add: (_first, own) => {
            next += own.length;
            return step(inAdd && next > at && next - own.length <= at);
          },
        });
        await expect(run).rejects.toThrow(`window ${at}`);
        expect(ended).toBe(begun);
      }),
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

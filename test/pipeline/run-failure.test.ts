import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.js';
import { FailureContext } from '../../src/pipeline/progress/run-failure.js';

/** What is said of an error while the first block of gradients is told of. */
function explained(error: Error): string {
  const context = new FailureContext(['model.layers.0.', 'model.layers.1.'], 0, '/out');
  const listen = context.listen(() => {});
  listen({ kind: 'stage', stage: 'gradients', blocks: 2 });
  return (context.explain(error) as Error).message.split('\n')[0] ?? '';
}

describe('FailureContext', () => {
  it('says where the run was', () => {
    expect(explained(new RunError('cannot write /out/x'))).toBe(
      'gradients, model.layers.0: cannot write /out/x',
    );
  });

  it('leaves it to an error that names a block, which may be ahead of what was told', () => {
    const message = 'model.layers.1: the output is NaN at token 0, feature 0';
    expect(explained(new RunError(message))).toBe(message);
  });

  it.each([
    [false, 'the same command goes on from there'],
    [true, 'the same command without --fresh goes on from there'],
  ])('says how to go on, fresh or not (%s)', (fresh, words) => {
    const error = new RunError('a disk is full');
    const context = new FailureContext(['model.layers.0.', 'model.layers.1.'], 1, '/out', fresh);
    expect((context.explain(error) as Error).message).toContain(
      `1 of 2 blocks are finished in /out; ${words}`,
    );
  });

  it('gives back what was not thrown on purpose', () => {
    const error = new TypeError('a mistake');
    const context = new FailureContext([], 0, '/out');
    expect(context.explain(error)).toBe(error);
  });
});

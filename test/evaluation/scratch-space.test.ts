/** An evaluation is refused when the disk can't hold its hidden states. */
import { expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { requireScratchSpace } from '../../src/evaluation/scratch-space.js';

it.each([
  [1000, 1000],
  [1000, undefined],
])('%s bytes are taken where %s are free', (bytes, free) => {
  expect(() => requireScratchSpace('/somewhere', 3, bytes, () => free)).not.toThrow();
});

it('says how much is needed where, and what to do', () => {
  const refused = () => requireScratchSpace('/somewhere', 140, 9e9, () => 8e9);
  expect(refused).toThrow(RequestError);
  expect(refused).toThrow(
    'the hidden states of 140 windows take 9.00 GB in /somewhere, where 8.00 GB are free; set TMPDIR to a folder with more, or take fewer windows',
  );
});

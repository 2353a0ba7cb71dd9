/** A run that throws away what an earlier one left, and is stopped itself. */
import { expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { writeTinyModel } from '../reliability/tiny-model.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { fileHashes, quickstartRuns } from '../support/quickstart-runs.js';

const { runFile, newPath } = quickstartRuns();

it('says that the command without --fresh goes on, which it does', async () => {
  const model = newPath('model');
  writeTinyModel(model);
  const { path, output } = runFile({
    model,
    calibration: null,
    prune: '{method: magnitude, sparsity: 0.5}',
  });
  const again = 'interrupted; run the same command again';
  expect(await pruneUntil(path, isPrunedBlock)).toBe(`${again} to go on`);
  await prune(path);
  const undisturbed = fileHashes(output);
  expect(await pruneUntil(path, isPrunedBlock, { fresh: true })).toBe(
    `${again}, once a block is finished without --fresh, to go on`,
  );
  const { report } = await prune(path);
  expect(report.notes.join()).toContain('resumed after block');
  expect(fileHashes(output)).toEqual(undisturbed);
});

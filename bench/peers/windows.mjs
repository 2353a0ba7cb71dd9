/**
 * The calibration windows, by secateur's own code.
 * @module
 */
import { writeFileSync } from 'node:fs';
import { loadCalibration } from '../../dist/calibration/load-calibration.js';
import { loadTokenizer } from '../../dist/calibration/tokenizer.js';
import { openCheckpoint } from '../../dist/checkpoint/checkpoint.js';
import { describeModel } from '../../dist/model/describe-model.js';
import { UsageError } from './options.mjs';

/**
 * Writes the token windows that every peer must calibrate on, as JSON.
 * @returns what identifies them
 * @throws {UsageError} when the model takes only shorter windows
 */
export async function exportWindows(settings, file) {
  const checkpoint = await openCheckpoint(settings.model);
  const model = describeModel(checkpoint.config, `${checkpoint.folder}/config.json`, checkpoint.tensors);
  const { tokens, samples, sequenceLength, fingerprint } = await loadCalibration(
    {
      data: [{ path: settings.calibration, weight: 1 }],
      samples: settings.samples,
      sequence_length: settings.sequence_length,
      windows: 'contiguous',
      seed: 0,
      // As the peers do.
      bos: 'never',
    },
    await loadTokenizer(checkpoint.folder),
    { maxSequenceLength: model.maxSequenceLength, vocabularySize: model.vocabularySize },
  );
  if (sequenceLength !== settings.sequence_length) {
    throw new UsageError(`--sequence-length: the model takes ${sequenceLength} tokens at most`);
  }
  writeFileSync(file, JSON.stringify({ samples, sequence_length: sequenceLength, tokens: [...tokens] }));
  return { samples, sequence_length: sequenceLength, sha256: fingerprint };
}

/** Logits and cross-entropy of golden models by hand, in f64. @module */
import type { GoldenModel } from './golden-model.js';

/** Of the states that the head reads. */
export function logitsOf({ model, ids, weight }: GoldenModel, states: Float32Array): Float32Array {
  const { vocabularySize, headBias, logitSoftcap: cap } = model;
  const { features } = model.closing;
  const head = weight(model.head.name);
  const bias = headBias && weight(headBias.name);
  return Float32Array.from({ length: ids.length * vocabularySize }, (_, index) => {
    const [t, v] = [Math.floor(index / vocabularySize), index % vocabularySize];
    let sum = bias?.[v] ?? 0;
    for (let j = 0; j < features; j++) {
      sum += (states[t * features + j] as number) * (head[v * features + j] as number);
    }
    return cap === undefined ? sum : cap * Math.tanh(sum / cap);
  });
}

/** Mean of −log softmax(logits)[next token]. @param logits [tokens, vocabulary] */
export function crossEntropyOf(logits: Float32Array, ids: Int32Array): number {
  const vocabularySize = logits.length / ids.length;
  let loss = 0;
  for (let t = 0; t < ids.length - 1; t++) {
    const row = logits.subarray(t * vocabularySize, (t + 1) * vocabularySize);
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
    loss += (Math.log(sum) - (row[ids[t + 1] as number] as number)) / (ids.length - 1);
  }
  return loss;
}

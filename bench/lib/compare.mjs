/**
 * Measures a part and its limit in turns, so that whatever the machine does besides hits both.
 * @module
 */
import { availableParallelism, loadavg } from 'node:os';
import { processorTimes } from './processor-times.mjs';

/** Repetitions when none of them takes long; an odd number, for a median that was measured. */
const MOST_REPETITIONS = 9;
const FEWEST_REPETITIONS = 3;
/** Seconds that the repetitions of a pair may take together before they become fewer. */
const PAIR_SECONDS = 30;

/**
 * @typedef {object} Sample
 * @property {number} median
 * @property {number} min
 * @property {number} max
 *
 * @typedef {object} Comparison
 * @property {Sample} seconds of the part, wall time
 * @property {Sample} limitSeconds of the limit
 * @property {Sample} ratio part : limit, of each repetition
 * @property {number | null} processorRatio the same of the processor time of this process, of all repetitions together
 * @property {number} spread (max − min) / median of the ratio
 * @property {number} repetitions
 * @property {number | null} others share of the machine that other processes took meanwhile
 * @property {number} load the system's load average of the last minute, at the end
 */

/**
 * @param {object} pair
 * @param {() => Promise<unknown>} pair.part
 * @param {() => Promise<unknown>} pair.limit does what the part can't do without
 * @param {() => Promise<unknown> | void} [pair.prepare] before each of either, not measured
 * @param {{quick: boolean}} options quick: the fewest repetitions
 * @returns {Promise<Comparison>}
 */
export async function compare({ part, limit, prepare = () => {} }, { quick }) {
  const once = async (work) => {
    await prepare();
    const processor = process.cpuUsage();
    const started = performance.now();
    await work();
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(processor);
    return { seconds, processor: (user + system) / 1e6 };
  };
  // The first run of each makes sessions, grows memory and fills caches; it also says how often there is time for more.
  const warmUp = (await once(part)).seconds + (await once(limit)).seconds;
  const affordable = Math.floor(PAIR_SECONDS / warmUp);
  const repetitions = quick
    ? FEWEST_REPETITIONS
    : Math.max(FEWEST_REPETITIONS, Math.min(MOST_REPETITIONS, affordable - ((affordable + 1) % 2)));

  const before = processorTimes();
  const parts = [];
  const limits = [];
  for (let i = 0; i < repetitions; i++) {
    // Whoever comes second finds the other's data in the caches, so they take turns at that too.
    if (i % 2 === 0) parts.push(await once(part));
    limits.push(await once(limit));
    if (i % 2 === 1) parts.push(await once(part));
  }
  const ratio = sample(parts.map(({ seconds }, i) => seconds / limits[i].seconds));
  const total = (runs) => runs.reduce((sum, { processor }) => sum + processor, 0);
  return {
    seconds: sample(parts.map(({ seconds }) => seconds)),
    limitSeconds: sample(limits.map(({ seconds }) => seconds)),
    ratio,
    processorRatio: total(parts) / total(limits),
    spread: (ratio.max - ratio.min) / ratio.median,
    repetitions,
    others: shareOfOthers(before, processorTimes()),
    load: loadavg()[0],
  };
}

/** @returns {Sample} */
function sample(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

function shareOfOthers(before, after) {
  if (!before || !after) return null;
  const wall = after.at - before.at;
  const others = after.all - before.all - (after.own - before.own);
  return Math.max(0, others / (wall * availableParallelism()));
}

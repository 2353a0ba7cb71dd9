// Kills `prune` again and again, at random moments and in the middle of its writes, goes on with it until it is done,
// and compares every byte with what an undisturbed run wrote.
//
//   node scripts/kill-harness/run.mjs [--kills 200] [--seed 1] [--samples 8] [--length 64] [--evaluate]
//     [--run configs/quickstart.yaml] [--model models/quickstart] [--json figures.json] [--set key=value]…
//     [--signals SIGKILL | SIGINT,SIGTERM,SIGINT+SIGTERM]
//
// A model that is test/golden/… gets a tokenizer. Of several signals one is drawn for each kill; after + comes the second.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { copyGoldenModel } from '../golden-model.mjs';
import { runPrune } from './child.mjs';
import { difference, progress, result, snapshot } from './folder.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    samples: { type: 'string', default: '8' },
    length: { type: 'string', default: '64' },
    evaluate: { type: 'boolean', default: false },
    run: { type: 'string', default: join(root, 'configs/quickstart.yaml') },
    model: { type: 'string', default: join(root, 'models/quickstart') },
    json: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    signals: { type: 'string', default: 'SIGKILL' },
  },
});
/** A change this short before the kill means that the file was being written. */
const WRITE_MS = 5;
/** How often a killed run is started over instead of gone on with. */
const FRESH = 0.1;

/** Uniform in [0, 1), mulberry32. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = uniform(Number(options.seed));
const folder = mkdtempSync(join(tmpdir(), 'secateur-kills-'));
const source = sourceFolder();
const config = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'));
const blocks = (config.text_config ?? config).num_hidden_layers ?? config.n_layer;
const sets = [
  `model=${source}`,
  `calibration.samples=${options.samples}`,
  `calibration.sequence_length=${options.length}`,
  'write.max_shard_size=2MB',
  ...(options.evaluate ? [`evaluation.context=${options.length}`, 'evaluation.windows=8'] : ['evaluation=']),
  ...options.set,
];
const argumentsFor = (output) => [
  resolve(options.run),
  ...[...sets, `output=${output}`].flatMap((set) => ['--set', set]),
];

/** The folder of the model; of a golden one, a copy with a tokenizer. */
function sourceFolder() {
  const model = resolve(options.model);
  if (existsSync(join(model, 'tokenizer.json'))) return model;
  const copy = join(folder, 'model');
  copyGoldenModel(model, copy);
  return copy;
}

function fail(message, { stderr } = {}) {
  console.error(`${message}\n${stderr ?? ''}The outputs are in ${folder}`);
  process.exit(1);
}

const before = JSON.stringify(snapshot(source));
const checkSource = () => {
  if (JSON.stringify(snapshot(source)) !== before) fail(`${source} has changed`);
};

const referenceOutput = join(folder, 'undisturbed');
const reference = await runPrune(argumentsFor(referenceOutput), referenceOutput);
if (reference.code !== 0) fail('the undisturbed run failed', reference);
/** The shortest whole run so far; the first one may have been slowed by reading everything from the disk. */
let seconds = reference.seconds;
const expected = result(referenceOutput);
const subjects = Object.keys(reference.changes);
console.log(`undisturbed: ${reference.seconds.toFixed(1)} s, changes ${JSON.stringify(reference.changes)}`);

const choices = options.signals.split(',').map((each) => each.split('+'));

/** Half of the kills at moments spread over the run, half at changes of its files. */
function drawKill() {
  const signals = choices.length > 1 ? choices[Math.floor(random() * choices.length)] : choices[0];
  if (random() < 0.5) return { signals, after: random() * seconds * 1000 };
  const subject = subjects[Math.floor(random() * subjects.length)];
  const count = 1 + Math.floor(random() * reference.changes[subject]);
  return { signals, subject, count, delay: random() * 4 - 1 };
}

const wanted = Number(options.kills);
const where = {};
const inWrites = {};
/** Longest time from a signal to the end. */
let slowest = 0;
let kills = 0;
let runs = 0;
let starts = 0;
while (kills < wanted) {
  const output = join(folder, `output-${runs++}`);
  for (let fresh = false, first = true; ; fresh = random() < FRESH, first = false) {
    starts++;
    const kill = kills < wanted ? drawKill() : undefined;
    const run = await runPrune([...argumentsFor(output), ...(fresh ? ['--fresh'] : [])], output, kill);
    if (run.killed) {
      kills++;
      const at = progress(output, blocks);
      where[at] = (where[at] ?? 0) + 1;
      const { last, since } = run.killed;
      slowest = Math.max(slowest, run.killed.seconds);
      if (since < WRITE_MS) inWrites[last] = (inWrites[last] ?? 0) + 1;
      if (kills % 50 === 0) console.log(`${kills} kills, ${runs} runs`);
      continue;
    }
    if (run.code !== 0) fail(`run ${runs} ended with ${run.code ?? run.signal} after ${kills} kills`, run);
    if (first || fresh) seconds = Math.min(seconds, run.seconds);
    break;
  }
  const differs = difference(expected, result(output));
  if (differs) fail(`run ${runs}, after ${kills} kills: ${differs}`);
  checkSource();
  rmSync(output, { recursive: true });
}
rmSync(folder, { recursive: true });

const sorted = (counts) => Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
const figures = { kills, runs, starts, slowest, where: sorted(where), inWrites: sorted(inWrites) };
console.log(`${kills} kills in ${runs} runs: every run ended with the bytes of the undisturbed one`);
console.log(`the slowest to end did ${slowest.toFixed(2)} s after its signal`);
console.table(figures.where);
const writes = Object.values(inWrites).reduce((sum, count) => sum + count, 0);
console.log(`${writes} of them within ${WRITE_MS} ms after a change of`);
console.table(figures.inWrites);
if (options.json) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);

// Compares the safetensors reader of dist/ with Python's safetensors (the Rust reader) on generated files.
//
// usage: node scripts/fuzz-safetensors/run.mjs [--count 20000] [--seed 0] [--python python3]
//
// For every file both readers must come to the same verdict and, where they accept, to the same tensors (names, dtypes,
// shapes, data) and metadata. One line a class of files; then the differences that are meant, each checked against the
// file's own JSON. The exit status is 1 when there is any other difference; those are printed with their case numbers.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  MAX_HEADER_BYTES,
  MAX_HEADER_VALUES,
  parseSafetensorsHeader,
  readSafetensorsHeader,
} from '../../dist/checkpoint/safetensors-header.js';
import { RequestError } from '../../dist/errors.js';
import { CLASSES, makeCase } from './generate.mjs';

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '0' },
    python: { type: 'string', default: 'python3' },
  },
});
const count = Number(options.count);
const seed = Number(options.seed);

/** One file in so many is also read from the disk. */
const DISK_INTERVAL = 16;

/** Longest file whose bytes are printed with a difference. */
const SHOWN_BYTES = 2000;

const jsonOf = (bytes) => bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString();

/** Tensor descriptions as JSON.parse sees them: the last of equal keys. */
function described(bytes) {
  const { __metadata__, ...tensors } = JSON.parse(jsonOf(bytes));
  return Object.values(tensors);
}

/** What this reader refuses and the reference accepts, by message, and what must then be true of the file. */
const INTENDED = [
  {
    name: 'a key twice in one object',
    message: /the key .* a second time/s,
    // Writing the parsed document again gives fewer keys than the text has.
    holds(bytes) {
      const text = jsonOf(bytes);
      const keys = text.match(/"(?:[^"\\]|\\.)*"\s*:/g)?.length ?? 0;
      return keys > (JSON.stringify(JSON.parse(text)).match(/"(?:[^"\\]|\\.)*":/g)?.length ?? 0);
    },
  },
  {
    name: 'white space before the first {',
    message: /does not begin with "\{"/,
    holds: (bytes) => /^[ \t\r\n]+\{/.test(jsonOf(bytes)),
  },
  {
    name: 'a tensor described by an array',
    message: /is not described by an object/,
    holds: (bytes) => described(bytes).some(Array.isArray),
  },
  {
    name: 'a dtype wrapped in an object',
    message: /has no "dtype" string/,
    holds: (bytes) => described(bytes).some((info) => typeof info?.dtype === 'object'),
  },
  {
    name: 'an integer over 2^53 - 1',
    message: /has no "(shape|data_offsets)" .*2\^53 - 1|has more bytes than can be counted/,
    holds: (bytes) => /[0-9]{16}/.test(jsonOf(bytes)),
  },
];

/** What only the reference refuses: its arithmetic overflows a little below the largest double. */
const LARGE_NUMBER = 'an unused number that rounds to 1.797…e308';
const hasLargeNumber = (bytes) =>
  (jsonOf(bytes).match(/[0-9.]+(?:e[+-]?[0-9]+)?/gi) ?? []).some(
    (text) => Number(text) > 1.79e308 && Number.isFinite(Number(text)),
  );

const folder = mkdtempSync(join(tmpdir(), 'secateur-fuzz-'));
const path = join(folder, 'case.safetensors');

/** Our verdict: what the reference's line says for an accepted file, or the error. */
function ours(bytes, index) {
  let header;
  try {
    header = parseSafetensorsHeader(bytes, bytes.length, path);
  } catch (error) {
    header = error;
  }
  if (index % DISK_INTERVAL === 0) {
    writeFileSync(path, bytes);
    let message;
    try {
      readSafetensorsHeader(path);
    } catch (error) {
      ({ message } = error);
    }
    if (message !== header.message)
      return new Error(`from the disk: ${message}; from memory: ${header.message}`);
  }
  if (header instanceof Error) return header;
  const tensors = [...header.tensors.values()].map(({ name, dtype, shape, offset, bytes: size }) => [
    name,
    [
      dtype,
      shape,
      createHash('sha1')
        .update(bytes.subarray(offset, offset + size))
        .digest('hex'),
    ],
  ]);
  return { tensors: new Map(tensors), metadata: header.metadata };
}

const sorted = (entries) => JSON.stringify([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

/** @returns `accepted`, `refused`, an intended difference's name, or `{problem}` */
function compare(bytes, index, reference) {
  const verdict = ours(bytes, index);
  if (verdict instanceof Error) {
    if (!(verdict instanceof RequestError)) return { problem: `${verdict.name}: ${verdict.message}` };
    if (reference === null) return 'refused';
    const intended = INTENDED.find(({ message }) => message.test(verdict.message));
    return intended?.holds(bytes) ? intended.name : { problem: `only we refuse: ${verdict.message}` };
  }
  if (reference === null)
    return hasLargeNumber(bytes) ? LARGE_NUMBER : { problem: 'only the reference refuses' };
  if (sorted(verdict.tensors) !== sorted(Object.entries(reference.tensors)))
    return { problem: 'other tensors' };
  // Python has None for no metadata, and for null.
  if (sorted(verdict.metadata ?? []) !== sorted(Object.entries(reference.metadata ?? {})))
    return { problem: 'other metadata' };
  return 'accepted';
}

const started = performance.now();
const python = spawn(options.python, [fileURLToPath(new URL('reference.py', import.meta.url))], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
python.on('error', (error) => {
  console.error(`${options.python}: ${error.message}; --python names one that has safetensors`);
  process.exit(1);
});
const ended = new Promise((resolve) => python.on('close', resolve));
const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
const nextLine = async () => {
  const { value, done } = await lines.next();
  if (done) throw new Error('the reference ended early');
  return JSON.parse(value);
};

const counts = new Map(
  CLASSES.map((name) => [name, { files: 0, accepted: 0, refused: 0, intended: 0, other: 0 }]),
);
const intended = new Map([...INTENDED.map(({ name }) => name), LARGE_NUMBER].map((name) => [name, 0]));
const problems = [];
const { version } = await nextLine();
python.stdin.on('error', () => {});
const feeding = (async () => {
  for (let index = 0; index < count; index++) {
    const { bytes } = makeCase(seed, index);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    if (!python.stdin.write(Buffer.concat([length, bytes])))
      await Promise.race([new Promise((resolve) => python.stdin.once('drain', resolve)), ended]);
  }
  python.stdin.end();
})();
for (let index = 0; index < count; index++) {
  const { class: name, bytes } = makeCase(seed, index);
  const result = compare(bytes, index, await nextLine());
  const row = counts.get(name);
  row.files++;
  if (result === 'accepted' || result === 'refused') row[result]++;
  else if (typeof result === 'string') {
    row.intended++;
    intended.set(result, intended.get(result) + 1);
  } else {
    row.other++;
    problems.push({ name, index, bytes, ...result });
  }
}
await feeding;
await ended;
rmSync(folder, { recursive: true });

console.log(`${'files'.padEnd(28)}   total  accepted  refused  on purpose  other differences`);
for (const [name, row] of counts) {
  const cells = [row.files, row.accepted, row.refused, row.intended, row.other];
  console.log(name.padEnd(28) + cells.map((n, i) => String(n).padStart([8, 10, 9, 12, 19][i])).join(''));
}
console.log(
  `\non purpose, against safetensors ${version}: refused here
  a header over ${MAX_HEADER_BYTES} bytes or ${MAX_HEADER_VALUES} values        (not generated)`,
);
for (const [name, times] of intended) {
  if (name === LARGE_NUMBER) console.log('accepted here');
  console.log(`  ${name.padEnd(44)}${String(times).padStart(6)}`);
}
for (const { name, index, problem, bytes } of problems.slice(0, 20)) {
  console.log(`\ncase ${index} of seed ${seed} (${name}): ${problem}`);
  if (bytes.length < SHOWN_BYTES) console.log(`  ${JSON.stringify(bytes.toString('latin1'))}`);
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`\n${count} files of seed ${seed} in ${seconds} s, ${problems.length} unintended differences`);
process.exitCode = problems.length > 0 ? 1 : 0;

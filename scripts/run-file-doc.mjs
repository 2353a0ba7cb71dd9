// Prints docs/run-file.md, every key of a run file with its default, from the JSON Schema. `npm run build` first.
import { runSchema } from '../dist/index.js';

const INTRODUCTION = `# The run file

Every key, what it may be, its default, and what it does. The page is made from the schema that run files are checked with
(\`node scripts/run-file-doc.mjs\`); \`secateur schema\` prints it as a JSON Schema for editors, and a run leaves
its run file with every default written out in \`secateur/\` of its output. [methods.md](methods.md) says which method when,
[calibration/README.md](../calibration/README.md) how text is given.

A method's own options are under \`prune.options\`. What refines, updates and allocates is a name, or a map of \`name\` and its
options:

\`\`\`yaml
prune:
  method: sparsegpt
  sparsity: 0.6
  options: {damping: 0.02}
  update: {name: regional, rounds: 3}
  allocation: {name: owl, lambda: 0.1}
\`\`\`

\`--set\` gives a key another value: \`--set prune.options.damping=0.02\`, \`--set 'prune.allocation={name: owl, lambda: 0.1}'\`.`;

/** Bounds beyond these are what numbers can hold. */
const LARGEST = 1e9;

/**
 * @param {any} schema the JSON Schema of run files
 * @returns {string} the page, in Markdown
 */
function runFileDocument(schema) {
  const { prune, ...sections } = schema.properties;
  const methods = prune.oneOf.map(({ properties }) => properties);
  const { method, options: _, ...shared } = methods[0];
  for (const [key, part] of Object.entries(shared))
    for (const other of methods)
      if (JSON.stringify(other[key]) !== JSON.stringify(part))
        throw new Error(`prune.${key} of ${other.method.const} is not that of ${method.const}`);

  const { calibration, evaluation, write, resources, ...single } = sections;
  const section = ([key, part]) => [`## \`${key}\``, part.description, table(part.properties, part.required)];
  const names = {
    enum: methods.map((each) => each.method.const),
    description: 'What chooses the weights that go.',
  };
  return [
    INTRODUCTION,
    table(single, schema.required),
    ...section(['calibration', calibration]),
    '## `prune`',
    'What goes, how and how much: either `sparsity` or `pattern` says how much, or for `magnitude` its `threshold`.',
    table({ method: names, ...shared }, ['method']),
    '### `prune.options`',
    ...methods.flatMap((each) => choice(each.method.const, each.method.description, each.options.properties)),
    ...Object.entries(shared).flatMap(([key, { anyOf }]) => {
      const named = anyOf?.find(({ oneOf }) => oneOf)?.oneOf ?? [];
      return named.length === 0
        ? []
        : [
            `### \`prune.${key}\``,
            ...named.flatMap(({ description, properties: { name, ...rest } }) =>
              choice(name.const, description, rest),
            ),
          ];
    }),
    ...Object.entries({ evaluation, write, resources }).flatMap(section),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

function choice(name, description, options) {
  return [`**\`${name}\`**: ${description}`, table(options)];
}

/** A line for each key; for those of maps within, and of the maps that a key may be, too. */
function table(properties, required = []) {
  const lines = Object.entries(properties).flatMap(([key, part]) => rows(key, part, required.includes(key)));
  return lines.length === 0 ? '' : ['| key | value | default | |', '|---|---|---|---|', ...lines].join('\n');
}

function rows(key, part, isRequired) {
  if (part.description === undefined) throw new Error(`${key} has no description`);
  const fallback = isRequired ? 'required' : part.default === undefined ? '' : code(part.default);
  const line = [`\`${key}\``, value(part), fallback, part.description];
  const maps = mapsOf(part);
  const inner = new Map(maps.flatMap(({ properties }) => Object.entries(properties)));
  return [
    `| ${line.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
    ...[...inner].flatMap(([name, its]) =>
      rows(
        `${key}.${name}`,
        its,
        maps.every(({ required }) => required?.includes(name)),
      ),
    ),
  ];
}

/** What `part` may be that has keys of its own, without those that have names, which have tables of their own. */
function mapsOf(part) {
  if (part.properties) return [part];
  if (part.items) return mapsOf(part.items);
  return (part.anyOf ?? []).flatMap(mapsOf);
}

/** What a key may be, in words. */
function value(part) {
  const { type, anyOf, oneOf, prefixItems, items } = part;
  if (type === 'object') return 'a map';
  if (part.const !== undefined) return code(part.const);
  if (part.enum) return part.enum.map(code).join(', ');
  if (anyOf || oneOf) return [...new Set((anyOf ?? oneOf).map(value))].join(', or ');
  if (prefixItems) return `a list of ${prefixItems.length}: ${value(prefixItems[0])} each`;
  if (type === 'array') return `a list of ${items.anyOf ? 'these' : plural(value(items))}`;
  if (type === 'string') return part.pattern?.includes('[Bb]') ? 'a size such as `5GB`' : 'text';
  if (type === 'boolean') return '`true`, `false`';
  return `${type === 'integer' ? 'a whole number' : 'a number'}${range(part)}`;
}

function plural(words) {
  return words.replace(/^an? (\w+)( number)?/, (_, first, second = '') => `${first}${second}s`);
}

function range({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }) {
  const low = exclusiveMinimum === undefined ? minimum : exclusiveMinimum;
  const high = [maximum, exclusiveMaximum].find((bound) => bound !== undefined && bound <= LARGEST);
  const parts = [
    low === undefined ? '' : exclusiveMinimum === undefined ? `from ${low}` : `above ${low}`,
    high === undefined
      ? ''
      : exclusiveMaximum === undefined
        ? `to ${high.toLocaleString('en')}`
        : `to below ${high}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` ${parts.join(' ')}`;
}

function code(of) {
  return `\`${typeof of === 'string' ? of : JSON.stringify(of)}\``;
}

process.stdout.write(runFileDocument(runSchema()));

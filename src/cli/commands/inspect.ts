/**
 * `secateur inspect`: zeros and pattern violations of a checkpoint, tensor by tensor, and its linears with what they read.
 * @module
 */
import { Command } from 'commander';
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatPercentRange,
  formatPlural,
  formatShape,
} from '../../report/format.js';
import { linearKind } from '../../report/linear-kind.js';
import type { CliContext } from '../cli-context.js';
import { type Colours, coloursFor } from '../colours.js';
import { displayPath } from '../display-path.js';
import type { InspectedLinear, InspectedTensor, InspectResult } from '../library.js';
import { noteLines, printResult } from '../output.js';
import { type Column, facts, table } from '../table.js';
import { STOPPING, withDisplay } from '../with-display.js';

/** Checkpoints with more tensors or linears than this are shown by kind, unless everything is asked for. */
const SHOWN = 40;

/** The command, bound to `context`. */
export function inspectCommand(context: CliContext): Command {
  return new Command('inspect')
    .description('count the zeros of every tensor of a checkpoint, and check a pattern')
    .argument('<checkpoint>', 'a model folder, or org/name[@revision] on the hub')
    .option(
      '--pattern <N:M>',
      'count the groups of M inputs that keep more than N weights, in linears whose inputs M divides',
    )
    .option('--all', 'list every tensor and every linear instead of kinds of them')
    .option('--json', 'print the result as one JSON document on stdout')
    .action(async (checkpoint: string, options: { pattern?: string; all?: boolean; json?: boolean }) => {
      const { inspect } = await context.loadLibrary();
      const { json = false, all = false, ...rest } = options;
      const result = await withDisplay(context, STOPPING, (shown) =>
        inspect(checkpoint, { ...rest, ...shown }),
      );
      const colours = coloursFor(json ? context.stderr : context.stdout, context.env);
      printResult(context, json, result, inspectWords(result, all, context.cwd, colours));
    });
}

/** Prunable tensors first, then the others, the linears, and the totals. */
export function inspectWords(result: InspectResult, all: boolean, cwd: string, colours: Colours): string {
  const { tensors, totals, pattern } = result;
  const listed = all || Math.max(tensors.length, result.linears.length) <= SHOWN;
  const rows = (listed ? tensors.map(single) : groupTensors(tensors)).sort(
    (a, b) => Number(b.prunable) - Number(a.prunable),
  );
  const columns: Column[] = [
    { title: listed ? 'tensor' : 'kind of tensor' },
    ...(listed ? [] : [{ title: 'tensors', align: 'right' } as const]),
    { title: 'shape', align: 'right' },
    { title: 'dtype' },
    { title: 'zeros', align: 'right' },
    { title: 'sparsity', align: 'right' },
    ...(pattern === undefined ? [] : [{ title: `breaks ${pattern}`, align: 'right' } as const]),
  ];
  const line = (row: Row) => [
    row.name,
    ...(listed ? [] : [formatCount(row.tensors)]),
    row.shape,
    row.dtype,
    row.zeros === null ? '–' : formatCount(row.zeros),
    row.low === null || row.high === null ? '–' : formatPercentRange(row.low, row.high),
    ...(pattern === undefined ? [] : [row.violations === undefined ? '–' : formatCount(row.violations)]),
  ];
  const share = (part: number, whole: number) => formatPercent(whole === 0 ? 0 : part / whole);
  return [
    colours.bold(displayPath(result.folder, cwd)),
    table(columns, rows.map(line)),
    '',
    ...(result.linears.length === 0 ? [] : [linearTable(result.linears, listed), '']),
    facts([
      [
        'prunable',
        `${share(totals.prunableZeros, totals.prunable)}: ${formatCount(totals.prunableZeros)} zeros in ${formatCount(totals.prunable)} weights`,
      ],
      [
        'all',
        `${share(totals.zeros, totals.parameters)}: ${formatCount(totals.zeros)} zeros in ${formatCount(totals.parameters)} parameters`,
      ],
      ['size', `${formatBytes(totals.bytes)} in ${formatPlural(tensors.length, 'tensor')}`],
      ...(pattern === undefined ? [] : [[`pattern ${pattern}`, patternWords(tensors, colours)] as const]),
      ...(listed ? [] : [['', colours.dim('--all lists every tensor and every linear')] as const]),
    ]),
    ...noteLines(result.notes, colours),
  ].join('\n');
}

/** What the prunable tensors make of the pattern, and how many of them it can't be asked of. */
function patternWords(tensors: readonly InspectedTensor[], colours: Colours): string {
  const prunable = tensors.filter((tensor) => tensor.prunable);
  const checked = prunable.filter((tensor) => tensor.violations !== undefined);
  if (checked.length === 0) return colours.yellow('not checked: no known linear has inputs that it divides');
  const broken = checked.reduce((sum, { violations = 0 }) => sum + violations, 0);
  const words =
    broken === 0
      ? colours.green('no group breaks it')
      : colours.red(`${formatPlural(broken, 'group')} break${broken === 1 ? 's' : ''} it`);
  const others = prunable.length - checked.length;
  if (others === 0) return words;
  return `${words}; ${colours.yellow(`not checked in ${formatPlural(others, 'tensor')}, whose inputs it doesn't divide`)}`;
}

interface Row {
  readonly name: string;
  readonly shape: string;
  readonly dtype: string;
  readonly prunable: boolean;
  tensors: number;
  /** Null for a dtype that isn't read; then `low` and `high` are, too. */
  zeros: number | null;
  low: number | null;
  high: number | null;
  violations: number | undefined;
}

function single(tensor: InspectedTensor): Row {
  return {
    name: tensor.name,
    shape: formatShape(tensor.shape),
    dtype: tensor.dtype,
    prunable: tensor.prunable,
    tensors: 1,
    zeros: tensor.zeros,
    low: tensor.sparsity,
    high: tensor.sparsity,
    violations: tensor.violations,
  };
}

/** Null where either is unknown. */
function combine(a: number | null, b: number | null, join: (a: number, b: number) => number): number | null {
  return a === null || b === null ? null : join(a, b);
}

/** One row for tensors that share kind, shape, dtype and being prunable. */
function groupTensors(tensors: readonly InspectedTensor[]): Row[] {
  const groups = new Map<string, Row>();
  for (const tensor of tensors) {
    const row = { ...single(tensor), name: linearKind(tensor.name) };
    const key = `${row.name} ${row.shape} ${row.dtype} ${row.prunable}`;
    const group = groups.get(key);
    if (!group) {
      groups.set(key, row);
      continue;
    }
    group.tensors++;
    group.zeros = combine(group.zeros, row.zeros, (a, b) => a + b);
    group.low = combine(group.low, row.low, Math.min);
    group.high = combine(group.high, row.high, Math.max);
    if (row.violations !== undefined) group.violations = (group.violations ?? 0) + row.violations;
  }
  return [...groups.values()];
}

/** A line for a linear, or for those of the same name and shape in different blocks; in the order of the computation. */
function linearTable(linears: readonly InspectedLinear[], listed: boolean): string {
  const nameOf = listed ? (name: string) => name : linearKind;
  const rows = new Map<string, { cells: readonly [name: string, ...rest: string[]]; linears: number }>();
  for (const { name, shape, inputGroup, tensor } of linears) {
    const part = tensor === `${name}.weight` ? '' : nameOf(tensor);
    const cells = [nameOf(name), formatShape(shape), inputGroup, part] as const;
    const row = rows.get(cells.join('\n')) ?? { cells, linears: 0 };
    row.linears++;
    rows.set(cells.join('\n'), row);
  }
  const anyParts = [...rows.values()].some(({ cells }) => cells[3] !== '');
  const columns: Column[] = [
    { title: listed ? 'linear' : 'kind of linear' },
    ...(listed ? [] : [{ title: 'linears', align: 'right' } as const]),
    { title: 'shape', align: 'right' },
    { title: 'reads' },
    ...(anyParts ? [{ title: 'part of' }] : []),
  ];
  const lines = [...rows.values()].map(({ cells: [name, ...rest], linears }) => [
    name,
    ...(listed ? [] : [formatCount(linears)]),
    ...rest,
  ]);
  return table(columns, lines);
}

/**
 * `secateur plan`: what a run would do and cost.
 * @module
 */
import { Command } from 'commander';
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatPercentRange,
  formatPlural,
  formatScaled,
  formatSeconds,
  formatShape,
} from '../../report/format.js';
import { linearKind } from '../../report/linear-kind.js';
import type { CliContext } from '../cli-context.js';
import { type Colours, coloursFor } from '../colours.js';
import type { Plan, PlannedLayer } from '../library.js';
import { repeated } from '../option-parsers.js';
import { noteLines, printResult } from '../output.js';
import { facts, table } from '../table.js';
import { STOPPING, withDisplay } from '../with-display.js';

/** The command, bound to `context`. */
export function planCommand(context: CliContext): Command {
  return new Command('plan')
    .description('say what a run would prune, and what it would cost')
    .argument('<run.yaml>', 'the run file')
    .option('--set <key.path=value>', 'override a key of the run file (repeatable)', repeated)
    .option('--json', 'print the plan as one JSON document on stdout')
    .action(async (runFile: string, options: { set?: string[]; json?: boolean }) => {
      const { plan } = await context.loadLibrary();
      const json = options.json ?? false;
      const result = await withDisplay(context, STOPPING, (shown) =>
        plan(runFile, { set: options.set ?? [], ...shown }),
      );
      printResult(
        context,
        json,
        result,
        planWords(result, coloursFor(json ? context.stderr : context.stdout, context.env)),
      );
    });
}

/** The linears by kind, then the costs. */
export function planWords(plan: Plan, colours: Colours): string {
  const { totals, bytes, flops, memory, seconds } = plan;
  const rows = groupLayers(plan.layers).map((group) => [
    group.kind,
    formatShape(group.shape),
    formatCount(group.layers),
    group.pattern,
    formatPercentRange(group.low, group.high),
    formatCount(group.zeros),
  ]);
  const flopParts = Object.entries(flops).filter(([, count]) => count > 0);
  const flopTotal = flopParts.reduce((sum, [, count]) => sum + count, 0);
  const sections = [
    colours.bold(`${plan.model}, ${plan.method}`),
    table(
      [
        { title: 'linear' },
        { title: 'out × in', align: 'right' },
        { title: 'layers', align: 'right' },
        { title: 'pattern' },
        { title: 'target', align: 'right' },
        { title: 'zeros', align: 'right' },
      ],
      rows,
    ),
    '',
    facts([
      [
        'sparsity',
        `${formatPercent(totals.sparsity)}: ${formatCount(totals.zeros)} of ${formatCount(totals.prunable)} prunable weights; ${formatCount(totals.parameters)} parameters`,
      ],
      ['disk', diskWords(bytes)],
      ['peak memory', `${formatBytes(memory.peakBytes)}, while ${memory.moment}`],
      ...memory.parts.map((part) => ['', `${formatBytes(part.bytes).padStart(8)}  ${part.name}`] as const),
      [
        'arithmetic',
        `${formatScaled(flopTotal, 'FLOP')}: ${flopParts.map(([name, count]) => `${name} ${formatScaled(count)}`).join(', ')}`,
      ],
      ['time', timeWords(seconds, plan.workers)],
    ]),
    ...noteLines(plan.notes, colours),
  ];
  return sections.join('\n');
}

function diskWords({ read, written, scratchParts }: Plan['bytes']): string {
  const parts = scratchParts.map(({ name, bytes }) => `${formatBytes(bytes)} of ${name}`);
  const meanwhile = parts.length > 0 ? ` and, while it works, ${parts.join(' and ')}` : '';
  return `reads ${formatBytes(read)}, writes ${formatBytes(written)}${meanwhile}`;
}

function timeWords({ prune, evaluation, total }: Plan['seconds'], workers: number): string {
  const parts =
    evaluation > 0
      ? ` (${formatSeconds(prune)} without, ${formatSeconds(evaluation)} for the evaluation before and after)`
      : '';
  return `about ${formatSeconds(total)}${parts}, ${formatPlural(workers, 'worker')}, when nothing else runs`;
}

interface LayerGroup {
  readonly kind: string;
  readonly shape: readonly number[];
  readonly pattern: string;
  layers: number;
  low: number;
  high: number;
  zeros: number;
}

/** Layers that share kind, shape and pattern, in the order of the model. */
function groupLayers(layers: readonly PlannedLayer[]): LayerGroup[] {
  const groups = new Map<string, LayerGroup>();
  for (const { name, shape, pattern, target, zeros } of layers) {
    const kind = linearKind(name);
    const key = `${kind} ${shape.join('x')} ${pattern}`;
    const group = groups.get(key);
    if (!group) {
      groups.set(key, { kind, shape, pattern, layers: 1, low: target, high: target, zeros });
      continue;
    }
    group.layers++;
    group.low = Math.min(group.low, target);
    group.high = Math.max(group.high, target);
    group.zeros += zeros;
  }
  return [...groups.values()];
}

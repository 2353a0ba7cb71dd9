/**
 * Memory that this process may still take without driving the system into swapping or being killed.
 * @module
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';

/** Where Linux tells it; other places for tests. */
export interface MemoryFiles {
  readonly proc: string;
  readonly cgroups: string;
}

const SYSTEM: MemoryFiles = { proc: '/proc', cgroups: '/sys/fs/cgroup' };

/**
 * Bytes: the least of what the kernel calls available (free, and page cache that can be dropped) and of what the
 * control groups around this process leave, of version 2 and of version 1. On macOS free, inactive and speculative
 * pages. Where the system tells nothing, what is free.
 */
export function availableMemory(files: MemoryFiles = SYSTEM): number {
  const system = meminfoAvailable(join(files.proc, 'meminfo')) ?? macAvailable() ?? freemem();
  return Math.max(0, Math.min(system, ...HIERARCHIES.flatMap((hierarchy) => rooms(hierarchy, files))));
}

function meminfoAvailable(path: string): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(read(path) ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function macAvailable(): number | undefined {
  if (process.platform !== 'darwin') return undefined;
  try {
    return vmStatAvailable(execFileSync('/usr/bin/vm_stat', { encoding: 'utf8' }));
  } catch {
    return undefined;
  }
}

/**
 * Bytes of free, inactive and speculative pages in what macOS' `vm_stat` prints, whose free ones are without the
 * speculative; undefined where it prints something else.
 */
export function vmStatAvailable(text: string): number | undefined {
  const size = /page size of (\d+) bytes/.exec(text)?.[1];
  const pages = ['free', 'inactive', 'speculative'].map(
    (kind) => new RegExp(`^Pages ${kind}:\\s+(\\d+)\\.$`, 'm').exec(text)?.[1],
  );
  if (size === undefined || pages.includes(undefined)) return undefined;
  return Number(size) * pages.reduce((sum, count) => sum + Number(count), 0);
}

/** How control groups of a version tell their memory. */
interface Hierarchy {
  /** The process's own group in `/proc/self/cgroup`. */
  readonly own: RegExp;
  /** Where groups are below the folder of all hierarchies. */
  readonly folder: string;
  readonly limit: string;
  readonly used: string;
  /** In `memory.stat`, of the group with those below it: what can be dropped. */
  readonly droppable: RegExp;
}

const HIERARCHIES: readonly Hierarchy[] = [
  {
    own: /^0::(\/.*)$/m,
    folder: '',
    limit: 'memory.max',
    used: 'memory.current',
    droppable: /^(?:(?:in)?active_file|slab_reclaimable) (\d+)$/gm,
  },
  {
    own: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m,
    folder: 'memory',
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    droppable: /^total_(?:in)?active_file (\d+)$/gm,
  },
];

/**
 * What each limited group from the process's own up to the root has left, with what can be dropped. Groups outside
 * a container are named but not to be seen in it; its own is the root then.
 */
function rooms(hierarchy: Hierarchy, { proc, cgroups }: MemoryFiles): number[] {
  const own = hierarchy.own.exec(read(join(proc, 'self/cgroup')) ?? '')?.[1];
  if (own === undefined) return [];
  const found: number[] = [];
  for (let group = own; ; group = dirname(group)) {
    const folder = join(cgroups, hierarchy.folder, group);
    const limit = number(read(join(folder, hierarchy.limit)));
    const used = number(read(join(folder, hierarchy.used)));
    if (limit !== undefined && used !== undefined) {
      const stat = read(join(folder, 'memory.stat')) ?? '';
      const droppable = [...stat.matchAll(hierarchy.droppable)].reduce((sum, m) => sum + Number(m[1]), 0);
      found.push(limit - Math.max(0, used - droppable));
    }
    if (group === '/') return found;
  }
}

/** Undefined for `max`: no limit. */
function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

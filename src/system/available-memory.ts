/**
 * Memory that this process may still take without driving the system into swapping or being killed.
 * @module
 */
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
 * control groups around this process leave (version 2, `memory.max`). Where the system tells neither, what is free.
 */
export function availableMemory(files: MemoryFiles = SYSTEM): number {
  const system = meminfoAvailable(join(files.proc, 'meminfo')) ?? freemem();
  return Math.max(0, Math.min(system, ...cgroupRooms(files)));
}

function meminfoAvailable(path: string): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(read(path) ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** What each limited group from the process's own up to the root has left, page cache that can be dropped included. */
function cgroupRooms({ proc, cgroups }: MemoryFiles): number[] {
  const own = /^0::(\/.*)$/m.exec(read(join(proc, 'self/cgroup')) ?? '')?.[1];
  if (own === undefined) return [];
  const rooms: number[] = [];
  for (let group = own; ; group = dirname(group)) {
    const folder = join(cgroups, group);
    const limit = number(read(join(folder, 'memory.max')));
    const used = number(read(join(folder, 'memory.current')));
    if (limit !== undefined && used !== undefined) {
      const droppable = /^inactive_file (\d+)$/m.exec(read(join(folder, 'memory.stat')) ?? '')?.[1] ?? '0';
      rooms.push(limit - Math.max(0, used - Number(droppable)));
    }
    if (group === '/') return rooms;
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

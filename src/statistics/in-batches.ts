/**
 * Two steps over a list of windows that share a few places in memory.
 * @module
 */

export interface BatchOptions<Slot> {
  readonly windows: number;
  /** Windows that are added up at a time. */
  readonly batch: number;
  /** Places for what is computed of a window; at least `batch` of them. */
  readonly slots: readonly Slot[];
  readonly signal?: AbortSignal | undefined;
  compute(window: number, slot: Slot): Promise<void>;
  /** Parts of the sum that don't wait for each other. */
  readonly lanes: number;
  /** Takes the slots of consecutive windows, from `first` on. */
  add(lane: number, first: number, slots: readonly Slot[]): Promise<void>;
}

/**
 * Computes windows into slots and adds up, in each lane, one batch of them after the other, in order. While a batch is
 * added up, windows after it are computed into the slots that are free, so that no worker waits. When something fails or
 * the signal is aborted nothing new is begun, and what was begun is waited for.
 *
 * @throws the first failure, or the signal's reason
 */
export async function inBatches<Slot>(options: BatchOptions<Slot>): Promise<void> {
  const { windows, batch, slots, lanes, signal } = options;
  const computed: Promise<void>[] = [];
  let inLanes: Promise<void>[] = Array(lanes).fill(Promise.resolve());
  const added: Promise<unknown>[] = [];
  const failures: unknown[] = [];
  const watched = (promise: Promise<void>) => promise.catch((error) => void failures.push(error));
  const slotOf = (window: number) => slots[window % slots.length] as Slot;
  const goesOn = () => failures.length === 0 && !signal?.aborted;
  for (let first = 0; first < windows && goesOn(); first += batch) {
    const end = Math.min(first + batch, windows);
    for (let window = first; window < end; window++) {
      // Until the window that was in this slot before is added up.
      await added[Math.floor((window - slots.length) / batch)];
      computed[window] = goesOn() ? watched(options.compute(window, slotOf(window))) : Promise.resolve();
    }
    const own = Array.from({ length: end - first }, (_, index) => slotOf(first + index));
    const ready = Promise.all(computed.slice(first, end));
    inLanes = inLanes.map((before, lane) =>
      watched(
        Promise.all([before, ready]).then(() => (goesOn() ? options.add(lane, first, own) : undefined)),
      ),
    );
    // Without lanes nothing else waits for the windows.
    added.push(Promise.all([ready, ...inLanes]));
  }
  await Promise.all(added);
  if (failures.length > 0) throw failures[0];
  signal?.throwIfAborted();
}

/**
 * Looking at runs of numbers before they are written out: five bytes can say that one number comes two thousand million
 * times.
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE
 * @module
 */

/** Widest numbers that are encoded so. */
const maximumWidth = 32;

/** Bytes of the head of a run. */
const maximumHead = 5;

/** Numbers of a packed group; the last group of a page may hold more than there are. */
const groupSize = 8;

/**
 * Checks the runs of a page from `start` on, until there are as many numbers as are wanted or the page ends.
 * @param width bits of a number
 * @param wanted how many numbers there are at most
 * @throws Error for a run that is longer than what is left of them
 */
export function requireRuns(page: Uint8Array, start: number, width: number, wanted: number): void {
  if (width > maximumWidth) throw new Error(`numbers of ${width} bits`);
  for (let at = start, seen = 0; seen < wanted && at < page.length; ) {
    let head = 0;
    for (let i = 0; ; i++) {
      const byte = page[at++];
      if (byte === undefined) return;
      if (i === maximumHead) throw new Error('a run whose length has no end');
      head += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) break;
    }
    const packed = head % 2 === 1;
    const half = Math.floor(head / 2);
    const count = packed ? half * groupSize : half;
    if (count > wanted - seen + groupSize - 1)
      throw new Error(`a run of ${count} numbers where ${wanted - seen} are left`);
    at += packed ? half * width : Math.ceil(width / 8);
    seen += count;
  }
}

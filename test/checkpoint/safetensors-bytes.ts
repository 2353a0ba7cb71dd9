/** Puts a safetensors file together by hand: `header` is JSON text or what `JSON.stringify` makes of it. */
export function safetensorsBytes(header: unknown, data: Uint8Array = new Uint8Array(0)): Buffer {
  const json = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/**
 * Telling windows of tokens from others.
 * @module
 */
import { createHash } from 'node:crypto';

/** SHA-256 (hex) of the tokens as little-endian 32-bit integers. */
export function fingerprintTokens(tokens: Int32Array): string {
  const bytes = Buffer.alloc(tokens.length * 4);
  tokens.forEach((token, i) => {
    bytes.writeInt32LE(token, i * 4);
  });
  return createHash('sha256').update(bytes).digest('hex');
}

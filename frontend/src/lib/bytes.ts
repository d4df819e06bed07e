/** Arrays as the server sends them: base64 of little-endian numbers. */

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary);
}

/** Throws a RangeError when the bytes are no whole number of 32-bit numbers, or not as many as `expected`. */
export function floats(text: string, expected?: number): Float32Array<ArrayBuffer> {
  const view = checked(text, expected);
  const values = new Float32Array(view.byteLength / 4);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
  return values;
}

export function integers(text: string, expected?: number): Int32Array<ArrayBuffer> {
  const view = checked(text, expected);
  const values = new Int32Array(view.byteLength / 4);
  for (let i = 0; i < values.length; i++) values[i] = view.getInt32(4 * i, true);
  return values;
}

export function encodeIntegers(values: ArrayLike<number>): string {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (let i = 0; i < values.length; i++) view.setInt32(4 * i, values[i] ?? 0, true);
  return toBase64(new Uint8Array(view.buffer));
}

function checked(text: string, expected?: number): DataView {
  const bytes = fromBase64(text);
  const count = bytes.length / 4;
  if (!Number.isInteger(count) || (expected !== undefined && count !== expected)) {
    throw new RangeError(`${bytes.length} bytes of numbers came; ${expected ?? "a multiple of one"} of 4 bytes each were expected`);
  }
  return new DataView(bytes.buffer);
}

/** What the attention of a Llama's block reads, by hand in f64. @module */

/** RMSNorm of every row of the hidden states. @param scale its weight, [features] */
export function rmsNorm(states: Float32Array, scale: Float32Array, epsilon: number): Float64Array {
  const size = scale.length;
  return Float64Array.from(states, (value, index) => {
    const start = index - (index % size);
    let squares = 0;
    for (let j = start; j < start + size; j++) squares += (states[j] as number) ** 2;
    return (value / Math.sqrt(squares / size + epsilon)) * (scale[index % size] as number);
  });
}

/** ‖X_j‖₂ of each of the columns. */
export function columnNorms(rows: ArrayLike<number>, columns: number): Float64Array {
  const squares = new Float64Array(columns);
  for (let i = 0; i < rows.length; i++)
    squares[i % columns] = (squares[i % columns] ?? 0) + (rows[i] as number) ** 2;
  return squares.map(Math.sqrt);
}

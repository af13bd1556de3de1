/** Probabilities of one image's logits; zeros where those are no numbers. */
export function softmax(logits: Float32Array): Float32Array {
  if (!logits.every((z) => !Number.isNaN(z))) return new Float32Array(logits.length);
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const parts = logits.map((z) => Math.exp(z - top));
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((part) => part / sum);
}

import { input, matmul, mul, tanh } from '../builder/index.ts';
import { encode } from '../onnx/index.ts';

/** Some matrix products in a row: what `devices` tries a device with. `x` [n,n] -> `y` [n,n]. */
export function selfTestModel(): Uint8Array {
  const x = input('x', 'float32', [256, 256]);
  let y = x;
  for (let i = 0; i < 8; i++) y = tanh(mul(matmul(y, x), 0.1));
  return encode({ name: 'self-test', inputs: [x], outputs: { y } });
}

// npx vitest: in a project with sparring and vitest
import 'sparring/vitest';
import { expect, test } from 'vitest';

test('the classifier withstands changes of 8/255', { timeout: 600_000 }, async () => {
  await expect('model.onnx').toWithstand({ eps: 8 / 255, atLeast: 0.4, images: 'test-images', count: 200 });
});

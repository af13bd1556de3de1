import { beforeAll, describe, expect, test } from 'vitest';
import { toWithstand } from '../../src/vitest.ts';
import { digits, type Digits } from '../support/examples.ts';
import { traps } from '../support/traps.ts';

let known: Digits;
let images: Digits;
beforeAll(async () => {
  ({ known, test: images } = await digits(50));
});

describe('toWithstand', () => {
  const options = {
    eps: 0.1,
    attacks: ['fgsm', 'pgd'],
    accept: ['weak-attacks'],
    curve: [],
    open: { threads: 1 },
  } as const;

  test('passes where the robust accuracy is high enough, and tells both numbers where it is not', async () => {
    const model = traps.plain(known);
    await expect(model).toWithstand({ ...options, images, atLeast: 0.2 });
    await expect(model).not.toWithstand({ ...options, images: 'mnist', count: 50, atLeast: 0.9 });
    await expect(expect(model).toWithstand({ ...options, images, atLeast: 0.9 })).rejects.toThrow(
      /^robust accuracy \d\d\.0 %, at least 90\.0 % demanded \(atLeast\)\n {2}no attack: \d\d\.0 %\n {2}FGSM: /,
    );
  });

  test('rejects a call without images, and says what to give', async () => {
    const without = { ...options, atLeast: 0.1, images: undefined as unknown as Digits };
    await expect(toWithstand(traps.plain(known), without)).rejects.toThrow(
      "toWithstand: images is missing; name a data set such as 'mnist' or a folder",
    );
  });

  test('fails where the number is in doubt', async () => {
    const failing = expect(traps.rounded(known)).toWithstand({
      ...options,
      attacks: ['noise'],
      accept: [],
      images,
      atLeast: 0.1,
    });
    await expect(failing).rejects.toThrow(
      'but it is in doubt: no-gradient, zero-gradient, weak-attacks (accept)',
    );
  });
});

import { describe, expect, it } from 'vitest';
import {
  attackNames,
  attackOf,
  drawsOf,
  toEnd,
  type Gradient,
  type LossName,
  type Oracle,
} from '../../../src/runtime/attacks/index.ts';
import { climbed, domainOf, isIn } from '../../../src/runtime/attacks/settings.ts';

describe('the values of settings', () => {
  const all = attackNames.flatMap((name) =>
    Object.entries(attackOf(name).defaults as Readonly<Record<string, unknown>>).map(
      ([setting, value]) => [name, setting, value] as const,
    ),
  );
  it.each(all)('hold the default of %s: %s', (name, setting, value) => {
    expect(isIn(domainOf(name, setting), value)).toBe(true);
  });

  it.each([
    ['pgd', 'steps', 0],
    ['pgd', 'steps', 1.5],
    ['pgd', 'steps', '3'],
    ['pgd', 'stepSize', 0],
    ['pgd-adam', 'stepSize', null],
    ['square', 'part', 1.1],
    ['mi-fgsm', 'decay', -1],
    ['apgd', 'loss', 'difference'],
    ['pgd', 'steps', Infinity],
  ] as const)('do not hold, of %s: %s %s', (name, setting, value) => {
    expect(isIn(domainOf(name, setting), value)).toBe(false);
  });
});

/** A linear classifier of four values and `classes` classes, whose every answer is known; it says which losses it was asked for. */
function linear(classes: number, asked: Set<LossName>): Oracle {
  const logitsOf = (data: Float32Array, count: number): Float32Array =>
    Float32Array.from({ length: count * classes }, (_, at) => {
      const [i, c] = [Math.floor(at / classes), at % classes];
      return data.subarray(4 * i, 4 * i + 4).reduce((sum, x, p) => sum + x * Math.sin(c * 4 + p), 0);
    });
  const slope = ({ images, labels }: Parameters<Gradient>[0]): ReturnType<Gradient> => {
    const [count] = images.shape;
    return Promise.resolve({
      logits: { data: logitsOf(images.data, count), shape: [count, classes] },
      loss: new Float32Array(count),
      gradient: {
        data: images.data.map((_, at) => -Math.sin(labels[Math.floor(at / 4)]! * 4 + (at % 4))),
        shape: images.shape,
      },
    });
  };
  return {
    image: { channels: 1, height: 2, width: 2 },
    classes,
    logits: ({ data, shape: [count] }) =>
      Promise.resolve({ data: logitsOf(data, count), shape: [count, classes] }),
    gradient(batch, loss) {
      asked.add(loss);
      return slope(batch);
    },
    surrogate: slope,
    generator: { eps: 0.1, targeted: true, perturbation: (images) => Promise.resolve(images) },
    universal: { eps: 0.1, targeted: true, perturbation: (images) => Promise.resolve(images) },
  };
}

describe('the losses of an attack', () => {
  it.each(attackNames)('are all that it asks for: %s', async (name) => {
    const { defaults, goals } = attackOf(name);
    const settings = Object.keys(defaults as object);
    const losses = settings.includes('loss') ? ['ce', 'dlr', 'margin', 'difference'] : [undefined];
    const asked = new Set<LossName>();
    for (const classes of [2, 3, 5]) {
      for (const goal of goals) {
        for (const loss of losses) {
          if (loss !== undefined && !isIn(domainOf(name, 'loss'), loss)) continue;
          const own = {
            ...(defaults as object),
            ...(settings.includes('steps') && { steps: 3 }),
            ...(settings.includes('queries') && { queries: 3 }),
            ...(loss !== undefined && { loss }),
          };
          const oracle = linear(classes, asked);
          const images = { data: Float32Array.of(0.2, 0.4, 0.6, 0.8), shape: [1, 1, 2, 2] as const };
          const { data } = await oracle.logits(images);
          const label = data.indexOf(Math.max(...data));
          const batch = {
            images,
            labels: Int32Array.of(label),
            ...(goal === 'targeted' && { targets: Int32Array.of((label + 1) % classes) }),
            places: Int32Array.of(0),
          };
          const threat = { norm: 'linf', eps: 1e-4, range: [0, 1], goal } as const;
          await toEnd(attackOf(name).run(oracle, batch, threat, own as never, drawsOf(1, name)));
        }
      }
    }
    expect([...asked].toSorted()).toEqual([...climbed[name]].toSorted());
  });
});

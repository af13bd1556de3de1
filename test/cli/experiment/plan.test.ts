import { describe, expect, it } from 'vitest';
import { followPlan, planOf } from '../../../src/cli/experiment/plan.ts';
import type { RunConfig } from '../../../src/runtime/index.ts';
import { smallRun } from '../../support/configs.ts';

const config: RunConfig = { ...smallRun, classifierEpochs: { consecutive: 2 } };
const images = { train: 83, test: 20 };
const titles = (of: Partial<RunConfig>): string[] =>
  planOf({ ...config, ...of }, images).map(
    ({ training, title }) => `${training.replace(/-.*/, '')}: ${title}`,
  );

describe('the plan of a run', () => {
  it('has each epoch of each network, and the test after it', () => {
    expect(titles({})).toEqual([
      'classifiers: C1 epoch 1/2',
      'classifiers: C2 epoch 1/2',
      'classifiers: test',
      'classifiers: C1 epoch 2/2',
      'classifiers: C2 epoch 2/2',
      'classifiers: test',
      'consecutive: attacker epoch 1/1',
      'consecutive: test',
    ]);
  });

  it('counts the images of whole batches', () => {
    expect(planOf(config, images).map((task) => task.images)).toEqual([80, 80, 20, 80, 80, 20, 80, 20]);
  });

  it('has the hardening of C1, and its test on the images held out of it', () => {
    const defence = { method: 'pgd', epochs: 1, steps: 7, stepSize: 0.25, start: 1, beta: 0 } as const;
    const of = { modes: ['hardened' as const], classifierEpochs: { hardened: 1 }, defence };
    expect(titles(of).slice(3)).toEqual([
      'hardened: C1 epoch 1/1',
      'hardened: test',
      'hardened: attacker epoch 1/1',
      'hardened: test',
    ]);
    // 8 of 83 are held out
    expect(planOf({ ...config, ...of }, images).map((task) => task.images)).toEqual([
      80, 80, 20, 72, 8, 80, 20,
    ]);
  });

  it('knows both modes, several cells and further targets', () => {
    const modes = ['consecutive', 'alternating'] as const;
    const classifierEpochs = { consecutive: 1, alternating: 1 };
    expect(titles({ modes: [...modes], eps: [0.1, 0.2], targets: 2, classifierEpochs })).toEqual([
      'classifiers: C1 epoch 1/1',
      'classifiers: C2 epoch 1/1',
      'classifiers: target 2 epoch 1/1',
      'classifiers: test',
      ...['consecutive', 'consecutive'].flatMap((mode) => [`${mode}: attacker epoch 1/1`, `${mode}: test`]),
      ...['alternating', 'alternating'].flatMap((mode) => [
        `${mode}: attacker and C1 epoch 1/1`,
        `${mode}: C2 epoch 1/1`,
        `${mode}: test`,
      ]),
    ]);
  });

  it('has no epochs of classifiers that are given', () => {
    const against = { source: 'c.onnx', sha256: '0' };
    expect(titles({ against, classifierEpochs: { consecutive: 0 } })).toEqual([
      'consecutive: attacker epoch 1/1',
      'consecutive: test',
    ]);
  });
});

describe('following a plan', () => {
  const plan = planOf(config, images);
  const [classifiers, cell] = ['classifiers-seed1', 'consecutive-eps0.1-seed1'];
  /** A clock, and the place in the plan after some images of a task. */
  const begin = () => {
    let time = 0;
    const follow = followPlan(plan, () => time);
    return (seconds: number, ...task: Parameters<typeof follow>) => {
      time += 1000 * seconds;
      return follow(...task);
    };
  };

  it('does not know the time left before anything has been measured', () => {
    expect(begin()(0, classifiers, 'C1 epoch 1/2', 8)).toEqual({ step: 1, steps: 8, left: undefined });
  });

  it('adds up what is left, by the speed of each kind of task', () => {
    const after = begin();
    after(0, classifiers, 'C1 epoch 1/2', 0);
    after(8, classifiers, 'C1 epoch 1/2', 80); // 0.1 s an image
    after(0, classifiers, 'C2 epoch 1/2', 0);
    after(8, classifiers, 'C2 epoch 1/2', 80);
    after(0, classifiers, 'test', 0);
    after(1, classifiers, 'test', 20); // 0.05 s an image
    after(0, classifiers, 'C1 epoch 2/2', 0);
    after(0, classifiers, 'C2 epoch 2/2', 0);
    after(0, classifiers, 'test', 0);
    after(0, cell, 'attacker epoch 1/1', 0);
    after(40, cell, 'attacker epoch 1/1', 40); // 1 s an image
    const { step, left } = after(0, cell, 'attacker epoch 1/1', 40)!;
    expect(step).toBe(7);
    // 40 images of the attacker, and its test, which has not been seen: between nothing and ten seconds
    expect(left).toBeGreaterThan(40);
    expect(left).toBeLessThan(50);
    after(0, cell, 'test', 0);
    expect(after(4, cell, 'test', 10)).toEqual({ step: 8, steps: 8, left: 4 });
  });

  it('begins in the middle, where a resumed run does', () => {
    expect(begin()(0, cell, 'attacker epoch 1/1', 40)).toMatchObject({ step: 7, steps: 8 });
  });

  it('says nothing of a task that is not in the plan', () => {
    expect(begin()(0, cell, 'C7 epoch 1/1', 40)).toBe(undefined);
  });
});

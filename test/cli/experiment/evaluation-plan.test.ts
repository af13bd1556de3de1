import { expect, it } from 'vitest';
import { followTasks, tasksOf, type EvaluationPlan } from '../../../src/cli/experiment/evaluation-plan.ts';

const plan: EvaluationPlan = {
  cells: ['a', 'b'].map((folder) => ({ folder, clip: true, models: { c1: 'same' } })),
  images: 100,
  attacks: [
    { attack: 'noise', seed: 1 },
    {
      attack: 'pgd',
      loss: 'cross-entropy',
      steps: 4,
      stepSize: 0.5,
      restarts: 1,
      start: 'uniform',
      seed: 1,
    },
  ],
  curve: [0.1, 0.2],
  curveImages: 50,
  doublingImages: 50,
  matrixAttackers: 2,
};

it('names the tasks as the evaluation does, curves once for a shared classifier', () => {
  expect(tasksOf(plan).map(({ title }) => title)).toEqual([
    'a clean',
    'a noise',
    'a pgd',
    'a pgd with 8 steps',
    'a curve at eps 0.1',
    'a curve at eps 0.2',
    'b clean',
    'b noise',
    'b pgd',
    'b pgd with 8 steps',
    'matrix: clean',
    'matrix: attacker 1/2',
    'matrix: attacker 2/2',
  ]);
});

it('tells the time left in all from the speed since the first update', () => {
  let time = 0;
  const tasks = [
    { title: 'finished before', cost: 500 },
    { title: 'first', cost: 100 },
    { title: 'second', cost: 300 },
  ];
  const overall = followTasks(tasks, () => time);
  expect(overall({ title: 'first', done: 0, total: 10 })).toEqual({ step: 2, steps: 3, left: undefined });
  time = 5000;
  // 50 of 400 in 5 s
  expect(overall({ title: 'first', done: 5, total: 10 })).toEqual({ step: 2, steps: 3, left: 35 });
  time = 25_000;
  expect(overall({ title: 'second', done: 5, total: 10 })).toEqual({ step: 3, steps: 3, left: 15 });
  expect(overall({ title: 'unheard of', done: 0, total: 1 })).toBeUndefined();
});
